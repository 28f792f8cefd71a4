#include "core/support/command_line.h"
#include "core/support/run_main.h"
#include "serving/application.h"

int main(int argc, char** argv) {
  CLI::App program("Serves a model bundle: REST, web page and Prometheus metrics.", "pulmo-serve");
  pulmo::serving::ServeArguments arguments;
  pulmo::add_program_options(program);
  pulmo::serving::add_serve_options(program, arguments);
  return pulmo::run_main(program, argc, argv, [&] { pulmo::serving::serve(arguments); });
}
