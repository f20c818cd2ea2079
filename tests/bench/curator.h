/* curator.h - Curator beside us: one of the programs Curator*.java as a process that is asked by
 * lines, so that its turns alternate with ours in one run. What each understands stands in it. */
#ifndef BENCH_CURATOR_H
#define BENCH_CURATOR_H

struct curator;

/* `program` is the class; `argument` its second argument, NULL: none; the first is `servers`.
 * Returns when it has said "ready". NULL: Curator was not there when this was built. */
struct curator *curator_start(const char *program, const char *servers, const char *argument);

/* One line there, one line back, which must begin with `word`; what follows it, without its end,
 * valid until the next call. */
__attribute__((format(printf, 3, 4))) char *curator_ask(struct curator *curator, const char *word,
                                                        const char *order, ...);

/* It ends when its input does. Takes NULL; NULL, always. */
struct curator *curator_stop(struct curator *curator);

#endif
