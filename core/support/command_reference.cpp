#include "core/support/command_reference.h"

#include <string_view>
#include <vector>

#include "core/support/error.h"
#include "core/support/version.h"

namespace pulmo {
namespace {

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

/// "-i", "--input": as they are typed; none for a positional argument.
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

/// What --help calls the value, without what a validator adds ("FILE:FILE").
std::string type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

/// Options whose value is the name of a file or folder.
bool takes_file(const CLI::Option& option) {
  const std::string type = type_of(option);
  return takes_value(option) && (type == "FILE" || type == "DIR" || type == "PATH" || type.starts_with("FILE."));
}

/// Text of troff: a line must not begin with a control character, and a hyphen that is typed must stay one.
std::string troff(const std::string& text) {
  std::string escaped = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  escaped = replaced(escaped, "\n.", "\n\\&.");
  return replaced(escaped, "\n'", "\n\\&'");
}

void man_options(const CLI::App& app, std::string& page) {
  for (const CLI::Option* option : options_of(app)) {
    std::string heads;
    for (const std::string& name : names_of(*option))
      heads += (heads.empty() ? "" : ", ") + ("\\fB" + troff(name) + "\\fR");
    if (heads.empty()) {
      heads = "\\fI" + troff(option->get_name(true)) + "\\fR";
    } else if (takes_value(*option)) {
      heads += " \\fI" + troff(type_of(*option)) + "\\fR";
    }
    page += ".TP\n" + heads + "\n" + troff(option->get_description());
    if (option->get_required()) page += " (required)";
    page += "\n";
  }
}

/// A string in single quotes for a shell.
std::string in_quotes(const std::string& text) {
  return "'" + replaced(text, "'", "'\\''") + "'";
}

std::string function_name(const CLI::App& program) {
  return "_" + replaced(program.get_name(), "-", "_");
}

std::string all_names(const CLI::App& app, bool (*wanted)(const CLI::Option&), const char* separator) {
  std::string text;
  for (const CLI::Option* option : options_of(app)) {
    if (!wanted(*option)) continue;
    for (const std::string& name : names_of(*option)) text += (text.empty() ? "" : separator) + name;
  }
  return text;
}

bool any(const CLI::Option& /*option*/) {
  return true;
}
bool takes_other_value(const CLI::Option& option) {
  return takes_value(option) && !takes_file(option);
}

/// The branch of one command (empty: before any): what may follow.
std::string bash_branch(const CLI::App& app, const std::string& command) {
  const auto files = all_names(app, takes_file, "|");
  const auto others = all_names(app, takes_other_value, "|");
  std::string words = all_names(app, any, " ");
  for (const CLI::App* inner : commands_of(app)) words += " " + inner->get_name();
  std::string text = "    " + (command.empty() ? "''" : command) + ")\n      case \"$previous\" in\n";
  if (!files.empty()) text += "        " + files + ") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n";
  if (!others.empty()) text += "        " + others + ") return ;;\n";
  return text + "      esac\n      words=" + in_quotes(words) + " ;;\n";
}

/// `[--name]` specifications of zsh's _arguments, one a line.
std::string zsh_arguments(const CLI::App& app, const std::string& indent) {
  std::string text;
  for (const CLI::Option* option : options_of(app)) {
    std::string description = replaced(replaced(replaced(option->get_description(), "\n", " "), "[", "("), "]", ")");
    description = replaced(description, ":", "\\:");
    std::string value;
    if (takes_value(*option)) value = ":" + type_of(*option) + ":" + (takes_file(*option) ? "_files" : " ");
    const auto names = names_of(*option);
    if (names.empty()) text += indent + in_quotes("*:" + description + ":_files") + " \\\n";
    for (const std::string& name : names)
      text += indent + in_quotes("*" + name + "[" + description + "]" + value) + " \\\n";
  }
  return text;
}

}  // namespace

std::string man_page(const CLI::App& program) {
  const std::string description = program.get_description();
  const std::string first_line = description.substr(0, description.find('\n'));
  const std::string& name = program.get_name();
  std::string page =
      ".TH " + replaced(name, "-", "\\-") + " 1 \"\" \"pulmo " + std::string(version()) + "\" \"User Commands\"\n";
  page += ".SH NAME\n" + troff(name) + " \\- " + troff(first_line) + "\n";
  page += ".SH SYNOPSIS\n";
  const auto commands = commands_of(program);
  if (program.get_require_subcommand_min() == 0) page += ".B " + troff(name) + "\n[options]\n.br\n";
  for (const CLI::App* command : commands)
    page += ".B " + troff(name + " " + command->get_name()) + "\n[options]\n.br\n";
  page += ".SH DESCRIPTION\n" + troff(first_line) + "\n.PP\n" + troff(std::string(kNotice)) + "\n";
  page += ".SH OPTIONS\n";
  man_options(program, page);
  for (const CLI::App* command : commands) {
    page += ".SH \"COMMAND " + troff(command->get_name()) + "\"\n" + troff(command->get_description()) + ".\n";
    man_options(*command, page);
    if (!command->get_footer().empty()) page += ".PP\n.nf\n" + troff(command->get_footer()) + "\n.fi\n";
  }
  page +=
      ".SH \"EXIT STATUS\"\n.TP\n.B 0\ndone\n.TP\n.B 1\nbad input or environment; one line on standard error says "
      "what\n";
  page += ".TP\n.B 2\nwrong usage\n.TP\n.B 75\nstopped by a signal with its state saved: give the same command again\n";
  return page;
}

std::string bash_completion(const CLI::App& program) {
  std::string names;
  std::string branches;
  for (const CLI::App* command : commands_of(program)) {
    names += (names.empty() ? "" : "|") + command->get_name();
    branches += bash_branch(*command, command->get_name());
  }
  const std::string function = function_name(program);
  std::string text = "# bash completion of " + program.get_name() + "\n" + function + "() {\n";
  text += "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command='' word words=''\n";
  if (!names.empty()) {
    text += "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n    case \"$word\" in\n      " + names;
    text += ") command=$word; break ;;\n    esac\n  done\n";
  }
  text += "  case \"$command\" in\n" + bash_branch(program, "") + branches + "  esac\n";
  text += "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n";
  text += "  [[ ${#COMPREPLY[@]} -gt 0 || $current == -* ]] || COMPREPLY=($(compgen -f -- \"$current\"))\n}\n";
  return text + "complete -o filenames -F " + function + " " + program.get_name() + "\n";
}

std::string zsh_completion(const CLI::App& program) {
  const std::string function = function_name(program);
  std::string text = "#compdef " + program.get_name() + "\n" + function + "() {\n";
  std::string branches;
  std::string names;
  for (const CLI::App* command : commands_of(program)) {
    const std::string description = replaced(command->get_description(), ":", "\\:");
    names += "    " + in_quotes(command->get_name() + ":" + description) + "\n";
    branches += "        " + command->get_name() + ")\n          _arguments \\\n";
    branches += zsh_arguments(*command, "            ") + "            && return ;;\n";
  }
  if (names.empty())
    return text + "  _arguments \\\n" + zsh_arguments(program, "    ") + "    && return\n}\n" + function + " \"$@\"\n";
  text += "  local context state state_descr line\n  typeset -A opt_args\n  local -a commands\n  commands=(\n" + names +
          "  )\n";
  text +=
      "  _arguments -C \\\n" + zsh_arguments(program, "    ") + "    '1:command:->command' '*::argument:->argument'\n";
  text += "  case $state in\n    command) _describe command commands ;;\n    argument)\n      case $line[1] in\n" +
          branches;
  return text + "      esac ;;\n  esac\n}\n" + function + " \"$@\"\n";
}

std::string command_reference(const CLI::App& program, const std::string& name) {
  if (name == "man-page") return man_page(program);
  if (name == "bash-completion") return bash_completion(program);
  if (name == "zsh-completion") return zsh_completion(program);
  throw UsageError("--print " + name + ": use man-page, bash-completion or zsh-completion");
}

}  // namespace pulmo
