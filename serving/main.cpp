#include "core/support/command_line.h"
#include "core/support/run_main.h"
#include "serving/application.h"
#include "serving/security/keygen.h"

int main(int argc, char** argv) {
  CLI::App program("Serves a model bundle: REST, web page and Prometheus metrics.", "pulmo-serve");
  pulmo::serving::ServeArguments arguments;
  pulmo::add_program_options(program);
  pulmo::serving::add_serve_options(program, arguments);
  pulmo::serving::KeygenArguments key;
  const CLI::App* keygen = pulmo::serving::add_keygen_command(program, key);
  return pulmo::run_main(program, argc, argv, [&] {
    if (keygen->parsed()) {
      pulmo::serving::keygen(key);
    } else {
      pulmo::serving::serve(arguments);
    }
  });
}
