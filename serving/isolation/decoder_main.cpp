#include "core/support/command_line.h"
#include "core/support/run_main.h"
#include "serving/isolation/decoder_worker.h"

int main(int argc, char** argv) {
  CLI::App program("Decodes pictures for pulmo-serve, which starts it: nothing to run by hand.", "pulmo-decoder");
  pulmo::serving::DecoderWorkerOptions options;
  std::int64_t cpu_s = 0;
  program.add_option("--input-bytes", options.layout.input_bytes)->required();
  program.add_option("--pixel-bytes", options.layout.pixel_bytes)->required();
  program.add_option("--max-side", options.limits.max_side_px)->required();
  program.add_option("--max-pixels", options.limits.max_pixels)->required();
  program.add_option("--max-frames", options.limits.max_frames)->required();
  program.add_option("--memory-bytes", options.memory_bytes)->required();
  program.add_option("--cpu-seconds", cpu_s)->required();
  program.add_option("--parent", options.parent)->required();
  return pulmo::run_main(program, argc, argv, [&] {
    options.cpu_time = std::chrono::seconds(cpu_s);
    pulmo::serving::run_decoder_worker(options);
  });
}
