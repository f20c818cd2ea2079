/* expect.h - one run of the tool and what it must answer, in one line of a test. */
#ifndef TESTS_CLI_EXPECT_H
#define TESTS_CLI_EXPECT_H

#include "harness.h"

/* This exit code, and exactly this on stdout. */
#define gives(code, text, ...) expect_gives(code, text, ARGS(__VA_ARGS__))
void expect_gives(int code, const char *text, const char *const *args);

/* This exit code, and this somewhere on stdout. */
#define says(code, words, ...) expect_says(code, words, ARGS(__VA_ARGS__))
void expect_says(int code, const char *words, const char *const *args);

/* This exit code, nothing on stdout, one line on stderr with these words. */
#define refuses(code, words, ...) expect_refuses(code, words, ARGS(__VA_ARGS__))
void expect_refuses(int code, const char *words, const char *const *args);

/* As refuses(), for words in one string, parted by blanks: tables of bad usage. */
void expect_line_refused(int code, const char *words, const char *line);

/* What the run shows on a terminal, freed by the caller, after this exit code. */
#define shows(code, ...) expect_shows(code, ARGS(__VA_ARGS__))
char *expect_shows(int code, const char *const *args);

/* The run's stdout, freed by the caller, after this exit code. */
#define prints(code, ...) expect_prints(code, ARGS(__VA_ARGS__))
char *expect_prints(int code, const char *const *args);

#endif
