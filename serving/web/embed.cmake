# Writes the files of the web page as C++ arrays: cmake -DOUTPUT=page_files.cpp -DFOLDER=serving/web "-DFILES=a;b" -P embed.cmake
set(arrays "")
set(table "")
set(index 0)
list(SORT FILES)
foreach(file IN LISTS FILES)
  file(READ ${FOLDER}/${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "constexpr char kFile${index}[] = {${bytes}};\n")
  string(APPEND table "    {\"${file}\", {kFile${index}, ${size}}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUTPUT}.new "#include \"serving/page.h\"

namespace pulmo::serving {
namespace {

${arrays}
constexpr PageFile kFiles[] = {
${table}};

}  // namespace

std::span<const PageFile> page_files() { return kFiles; }

}  // namespace pulmo::serving
")
file(RENAME ${OUTPUT}.new ${OUTPUT})
