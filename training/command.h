#pragma once

namespace pulmo::training {

/// The program `pulmo-train`: fit, evaluate, compare. Returns the exit code (core/support/run_main.h).
int run_train(int argc, char** argv);

}  // namespace pulmo::training
