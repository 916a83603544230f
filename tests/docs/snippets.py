"""Compiles every C block of the documents named on the command line, each as a file of its own.

    snippets.py CC DOCUMENT...

A block must compile without warnings against include/emcp.h and fit on a screen.
"""

import re
import subprocess
import sys

LINES_MAX = 40
FLAGS = ["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
         "-Iinclude", "-fsyntax-only", "-x", "c", "-"]


def blocks(document):
    """Yields the line number and the text of each C block."""
    text = open(document, encoding="utf-8").read()
    for match in re.finditer(r"^```c\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start()) + 2, match.group(1)


def check(compiler, document, line, code):
    """Tells what is wrong with a block, or gives None."""
    lines = code.count("\n")
    if lines > LINES_MAX:
        return f"{document}:{line}: {lines} lines, at most {LINES_MAX} fit a recipe"
    # Errors of the compiler then name the document.
    source = f'#line {line} "{document}"\n{code}'
    done = subprocess.run([compiler, *FLAGS], input=source, capture_output=True, text=True)
    return None if done.returncode == 0 else done.stderr.rstrip()


def main():
    compiler, *documents = sys.argv[1:]
    found = [(document, *block) for document in documents for block in blocks(document)]
    problems = [problem for block in found if (problem := check(compiler, *block))]
    print("\n".join(problems), file=sys.stderr)
    print(f"{len(found)} snippets, {len(problems)} do not compile")
    sys.exit(1 if problems or not found else 0)


main()
