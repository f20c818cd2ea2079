/* memory.c - see memory.h. */
#include "memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct memory *used;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
int __real_vasprintf(char **out, const char *format, va_list arguments);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_vasprintf(char **out, const char *format, va_list arguments);
__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **out, const char *format, ...);

struct memory *memory_use(struct memory *memory)
{
    struct memory *before = used;
    used = memory;
    return before;
}

struct memory *memory_used(void)
{
    return used;
}

void *real_malloc(size_t size)
{
    return __real_malloc(size);
}

void *real_realloc(void *memory, size_t size)
{
    return __real_realloc(memory, size);
}

void real_free(void *memory)
{
    __real_free(memory);
}

static bool is_refused(void)
{
    if (!used)
        return false;
    used->asked++;
    if (used->asked != used->fails_at
        && !(used->fails_percent && chance_percent(&used->chance, used->fails_percent)))
        return false;
    used->refused++;
    errno = ENOMEM;
    return true;
}

static void *given(void *memory)
{
    if (used && memory)
        used->live++;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : given(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : given(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size)
{
    if (is_refused())
        return NULL;
    return memory ? __real_realloc(memory, size) : given(__real_realloc(NULL, size));
}

void __wrap_free(void *memory)
{
    if (used && memory)
        used->live--;
    __real_free(memory);
}

char *__wrap_strdup(const char *text)
{
    return is_refused() ? NULL : given(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t size)
{
    return is_refused() ? NULL : given(__real_strndup(text, size));
}

int __wrap_vasprintf(char **out, const char *format, va_list arguments)
{
    if (is_refused())
        return -1;
    int size = __real_vasprintf(out, format, arguments);
    if (size >= 0)
        given(*out);
    return size;
}

int __wrap_asprintf(char **out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = __wrap_vasprintf(out, format, arguments);
    va_end(arguments);
    return size;
}
