#include "training/command.h"

int main(int argc, char** argv) {
  return pulmo::training::run_train(argc, argv);
}
