#!/usr/bin/env python3
"""Writes a C program that takes the address of every function that the public headers declare.

Every such declaration begins with LK_API or LK_EXPORT, at the start of a line: a convention of the headers, which
symbols.sh backs up from the other side (a function that is exported but not declared so is missing here, and one that
is declared but not exported does not link)."""
import os
import re
import sys

output, headers = sys.argv[1], sys.argv[2:]
names = []
for header in headers:
    text = re.sub(r"/\*.*?\*/", " ", open(header).read(), flags=re.S)
    names += re.findall(r"^LK_(?:API|EXPORT) [^;{}]*?\b(lk_\w+)\(", text, flags=re.M)
if not names or len(names) != len(set(names)):
    sys.exit("functions.py: no functions found, or one of them twice")

with open(output, "w") as out:
    for header in headers:
        out.write(f"#include <latchkey/{os.path.basename(header)}>\n")
    out.write("#include <stdio.h>\n\ntypedef void function(void);\n\n")
    out.write("static function *const functions[] = {\n")
    for name in sorted(names):
        out.write(f"    (function *){name},\n")
    out.write("};\n\nint main(void)\n{\n    size_t count = sizeof functions / sizeof functions[0];\n\n")
    out.write("    for (size_t i = 0; i < count; i++)\n        if (!functions[i])\n            return 1;\n")
    out.write(f'    printf("%zu functions\\n", count);\n    return count == {len(names)} ? 0 : 1;\n}}\n')
