#include "core/model/pickle.h"

#include <algorithm>
#include <bit>
#include <map>

#include "core/support/error.h"

namespace pulmo {
namespace {

// A state_dict needs a handful. Without a limit, freeing the values could recurse too far.
constexpr int kMaxDepth = 100;
constexpr std::size_t kMostArguments = 16;  // of what describes a tensor or a storage

[[noreturn]] void refuse(const std::string& why) {
  throw InvalidInput("pickle", why);
}

PicklePtr make(PickleKind kind) {
  auto value = std::make_shared<PickleValue>();
  value->kind = kind;
  return value;
}
PicklePtr make_integer(std::int64_t number) {
  PicklePtr value = make(PickleKind::kInteger);
  value->integer = number;
  return value;
}
PicklePtr make_text(PickleKind kind, std::string text) {
  PicklePtr value = make(kind);
  value->text = std::move(text);
  return value;
}

/// To be called for each value that goes into another. Its own depth is final then: Python fills a value before it puts
/// it somewhere, but for objects that hold each other, as no weights do.
void nest(PickleValue& outer, PickleValue& inner) {
  if (outer.sealed) refuse("objects in it hold each other; save model.state_dict() alone");
  inner.sealed = true;
  outer.depth = std::max(outer.depth, inner.depth + 1);
  if (outer.depth > kMaxDepth) refuse("it is nested too deeply");
}

/// The machine of Python's pickletools: a stack, marks on it, and a memo.
class Unpickler {
 public:
  explicit Unpickler(ByteView bytes) : bytes_(bytes) {}

  PicklePtr run() {
    while (true) {
      const auto code = static_cast<unsigned char>(number(1));
      if (code == '.') return pop();
      if (!step_scalar(code) && !step_container(code) && !step_memo(code) && !step_object(code)) {
        refuse("instruction " + std::to_string(code) + " is not one that torch.save() writes for weights");
      }
    }
  }

 private:
  ByteView take(std::uint64_t count) {
    if (count > bytes_.size() - position_) refuse("it ends early");
    position_ += count;
    return bytes_.subspan(position_ - count, count);
  }

  /// Little-endian, of up to 8 bytes.
  std::uint64_t number(std::size_t count) {
    std::uint64_t value = 0;
    const ByteView raw = take(count);
    for (std::size_t i = count; i-- > 0;) value = value << 8U | std::to_integer<std::uint64_t>(raw[i]);
    return value;
  }

  std::string text(std::uint64_t count) { return std::string(as_text(take(count))); }

  std::string line() {
    std::string result;
    for (char c = static_cast<char>(number(1)); c != '\n'; c = static_cast<char>(number(1))) result += c;
    return result;
  }

  void push(PicklePtr value) { stack_.push_back(std::move(value)); }

  PicklePtr pop() {
    if (stack_.empty()) refuse("it takes from an empty stack");
    PicklePtr value = std::move(stack_.back());
    stack_.pop_back();
    return value;
  }

  PickleValue& top(PickleKind kind) {
    if (stack_.empty() || stack_.back()->kind != kind) refuse("a value is not where it is needed");
    return *stack_.back();
  }

  std::vector<PicklePtr> pop_to_mark() {
    if (marks_.empty() || marks_.back() > stack_.size()) refuse("a mark is missing");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<PicklePtr> values(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return values;
  }

  void push_sequence(std::vector<PicklePtr> items) {
    PicklePtr value = make(PickleKind::kSequence);
    value->items = std::move(items);
    for (const PicklePtr& item : value->items) nest(*value, *item);
    push(std::move(value));
  }

  void push_tuple(std::size_t size) {
    std::vector<PicklePtr> items(size);
    for (std::size_t i = size; i-- > 0;) items[i] = pop();
    push_sequence(std::move(items));
  }

  /// Keys and values in turn; other objects than mappings take them and forget them.
  void set_items(const std::vector<PicklePtr>& values) {
    if (values.size() % 2 != 0) refuse("a key has no value");
    if (stack_.empty()) refuse("it takes from an empty stack");
    if (stack_.back()->kind == PickleKind::kOpaque) return;
    PickleValue& mapping = top(PickleKind::kMapping);
    for (std::size_t i = 0; i < values.size(); i += 2) {
      nest(mapping, *values[i]);
      nest(mapping, *values[i + 1]);
      mapping.pairs.emplace_back(values[i], values[i + 1]);
    }
  }

  void append(const std::vector<PicklePtr>& values) {
    if (!stack_.empty() && stack_.back()->kind == PickleKind::kOpaque) return;
    PickleValue& sequence = top(PickleKind::kSequence);
    for (const PicklePtr& value : values) nest(sequence, *value);
    sequence.items.insert(sequence.items.end(), values.begin(), values.end());
  }

  std::int64_t long_integer() {
    const auto size = static_cast<std::size_t>(number(1));
    if (size > 8) {
      take(size);  // no size of a tensor is so large
      return 0;
    }
    if (size == 0) return 0;
    const std::size_t shift = 64 - 8 * size;
    return static_cast<std::int64_t>(number(size) << shift) >> shift;  // extends the sign
  }

  double big_endian_real() {
    std::uint64_t value = 0;
    for (const std::byte byte : take(8)) value = value << 8U | std::to_integer<std::uint64_t>(byte);
    return std::bit_cast<double>(value);
  }

  bool step_scalar(unsigned char code) {
    switch (code) {
      case 0x80: take(1); return true;  // protocol
      case 0x95: take(8); return true;  // frame
      case 'N': push(make(PickleKind::kNone)); return true;
      case 0x88: push(make_integer(1)); return true;
      case 0x89: push(make_integer(0)); return true;
      case 'J': push(make_integer(static_cast<std::int32_t>(number(4)))); return true;
      case 'K': push(make_integer(static_cast<std::int64_t>(number(1)))); return true;
      case 'M': push(make_integer(static_cast<std::int64_t>(number(2)))); return true;
      case 0x8a: push(make_integer(long_integer())); return true;
      case 'G':
        push(make(PickleKind::kReal));
        stack_.back()->real = big_endian_real();
        return true;
      case 'X': push(make_text(PickleKind::kText, text(number(4)))); return true;
      case 0x8c: push(make_text(PickleKind::kText, text(number(1)))); return true;
      default: return false;
    }
  }

  bool step_container(unsigned char code) {
    switch (code) {
      case '(': marks_.push_back(stack_.size()); return true;
      case ')':
      case ']': push(make(PickleKind::kSequence)); return true;
      case '}': push(make(PickleKind::kMapping)); return true;
      case 't': push_sequence(pop_to_mark()); return true;
      case 0x85: push_tuple(1); return true;
      case 0x86: push_tuple(2); return true;
      case 0x87: push_tuple(3); return true;
      case 'a': append({pop()}); return true;
      case 'e': append(pop_to_mark()); return true;
      case 'u': set_items(pop_to_mark()); return true;
      case 's': {
        const PicklePtr value = pop();
        const PicklePtr key = pop();
        set_items({key, value});
        return true;
      }
      default: return false;
    }
  }

  bool step_memo(unsigned char code) {
    const auto put = [&](std::uint64_t key) {
      if (stack_.empty()) refuse("it takes from an empty stack");
      memo_[key] = stack_.back();
    };
    const auto get = [&](std::uint64_t key) {
      const auto found = memo_.find(key);
      if (found == memo_.end()) refuse("it recalls what it never stored");
      found->second->sealed = true;
      push(found->second);
    };
    switch (code) {
      case 'q': put(number(1)); return true;
      case 'r': put(number(4)); return true;
      case 0x94: put(memo_.size()); return true;
      case 'h': get(number(1)); return true;
      case 'j': get(number(4)); return true;
      default: return false;
    }
  }

  bool step_object(unsigned char code) {
    switch (code) {
      case 'c': {
        const std::string module = line();
        push(make_text(PickleKind::kGlobal, module + " " + line()));
        return true;
      }
      case 0x93: {
        const PicklePtr name = pop();
        push(make_text(PickleKind::kGlobal, pop()->text + " " + name->text));
        return true;
      }
      case 'Q': {
        push(described(PickleKind::kStorage, *pop()));
        return true;
      }
      case 'b': pop(); return true;  // the object's other attributes
      case 0x81:
      case 'R': {
        const PicklePtr arguments = pop();
        push(called(*pop(), *arguments));
        return true;
      }
      default: return false;
    }
  }

  static PicklePtr called(const PickleValue& function, const PickleValue& arguments) {
    if (function.text == "collections OrderedDict" && arguments.items.empty()) return make(PickleKind::kMapping);
    if (function.text == "torch._utils _rebuild_parameter" && !arguments.items.empty()) return arguments.items.front();
    if (function.text != "torch._utils _rebuild_tensor_v2") return make(PickleKind::kOpaque);
    if (arguments.items.size() < 4) refuse("a tensor is described by too little");
    return described(PickleKind::kTensor, arguments);
  }

  /// The one place where items are copied: a recalled list costs two bytes, however long it is.
  static PicklePtr described(PickleKind kind, const PickleValue& arguments) {
    if (arguments.items.size() > kMostArguments) refuse("a tensor or storage is described by too much");
    PicklePtr value = make(kind);
    value->items = arguments.items;
    for (const PicklePtr& item : value->items) nest(*value, *item);
    return value;
  }

  ByteView bytes_;
  std::size_t position_ = 0;
  std::vector<PicklePtr> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, PicklePtr> memo_;
};

}  // namespace

PicklePtr read_pickle(ByteView bytes) {
  return Unpickler(bytes).run();
}

}  // namespace pulmo
