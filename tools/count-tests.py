#!/usr/bin/env python3
"""Counts what meson's test logs (testlog.json) tell: prints "PASSED FAILED SKIPPED".

A program of cmocka counts as many tests as it has run, any other program as one. A program that failed counts at least
one failure, whatever it printed: it may have died before it could. Names what failed and what was skipped on stderr."""
import json
import re
import sys

PASSED = re.compile(r"^\[  PASSED  \] (\d+) test\(s\)", re.M)
FAILED = re.compile(r"^\[  FAILED  \] (?:tests: )?(\d+) test\(s\), listed below", re.M)

passed = failed = skipped = 0
for name in sys.argv[1:]:
    for line in open(name):
        test = json.loads(line)
        output = test.get("stdout", "") + test.get("stderr", "")
        cases_passed = sum(int(n) for n in PASSED.findall(output))
        cases_failed = sum(int(n) for n in FAILED.findall(output))
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            passed += max(1, cases_passed)
        elif test["result"] == "SKIP":
            skipped += 1
            print(f"skipped: {test['name']}", file=sys.stderr)
        else:
            passed += cases_passed
            failed += max(1, cases_failed)
            print(f"FAILED: {test['name']} ({test['result']})", file=sys.stderr)
print(passed, failed, skipped)
