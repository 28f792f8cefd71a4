#include "core/support/run_main.h"

#include <filesystem>
#include <iostream>
#include <new>

#include "core/support/error.h"

namespace pulmo {
namespace {

int report(const CLI::App& program, const std::string& message, int code) {
  std::cerr << program.get_name() << ": " << message << std::endl;
  return code;
}

}  // namespace

int run_main(CLI::App& program, int argc, const char* const* argv, const std::function<void()>& body) {
  try {
    program.parse(argc, argv);
    body();
    std::cout.flush();
    if (!std::cout) throw IoError("standard output could not be written");
    return kExitDone;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return program.exit(error);
    return report(program, std::string(error.what()) + " (see --help)", kExitUsage);
  } catch (const UsageError& error) {
    return report(program, error.what(), kExitUsage);
  } catch (const Interrupted& error) {
    return report(program, error.what(), kExitRunAgain);
  } catch (const InvalidInput& error) {
    return report(program, error.what(), kExitFailed);
  } catch (const IoError& error) {
    return report(program, error.what(), kExitFailed);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(program, error.path1().string() + ": " + error.code().message(), kExitFailed);
  } catch (const std::bad_alloc&) {
    return report(program, "out of memory", kExitFailed);
  } catch (const std::exception& error) {
    return report(program, std::string("internal error, please report it: ") + error.what(), kExitFailed);
  }
}

}  // namespace pulmo
