/* curator.c - a Java process that is asked by lines; see curator.h. */
#include "curator.h"

#include <stddef.h>

#ifdef CURATOR_CLASS_PATH

#include <stdarg.h>

#include "process.h"
#include "raw.h"

struct curator {
    struct process *java;
};

#define TEXT(word) ((char *)(uintptr_t)(word))

struct curator *curator_start(const char *program, const char *servers, const char *argument)
{
    struct curator *curator = calloc(1, sizeof *curator);
    char *const argv[] = { TEXT(CURATOR_JAVA), TEXT("-XX:+UseSerialGC"), TEXT("-Xmx512m"),
                           TEXT("-cp"),        TEXT(CURATOR_CLASS_PATH), TEXT(program),
                           TEXT(servers),      TEXT(argument),           NULL };

    MUST(curator);
    curator->java = process_start(CURATOR_JAVA, argv);
    process_hear(curator->java, "ready");
    return curator;
}

char *curator_ask(struct curator *curator, const char *word, const char *order, ...)
{
    char line[200];
    va_list arguments;

    va_start(arguments, order);
    vsnprintf(line, sizeof line, order, arguments);
    va_end(arguments);
    process_tell(curator->java, "%s", line);
    return process_hear(curator->java, word);
}

struct curator *curator_stop(struct curator *curator)
{
    if (!curator)
        return NULL;
    process_end(curator->java);
    free(curator);
    return NULL;
}

#else

struct curator *curator_start(const char *program, const char *servers, const char *argument)
{
    (void)program, (void)servers, (void)argument;
    return NULL;
}

char *curator_ask(struct curator *curator, const char *word, const char *order, ...)
{
    (void)curator, (void)word, (void)order;
    return NULL;
}

struct curator *curator_stop(struct curator *curator)
{
    return curator;
}

#endif
