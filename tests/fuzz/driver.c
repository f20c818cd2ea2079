/* driver.c - drives a fuzz target without libFuzzer: every file of a corpus, then N mutations of
 * them.
 *
 *   fuzz_NAME [--runs N] [--seed S] [--only K] FILE|FOLDER...
 *
 * Deterministic: run K of seed S is made from the corpus, S and K alone, so that --only K shows a
 * failure again, with any compiler, in a debugger. It knows nothing of coverage; that is libFuzzer's
 * part. This one keeps what was found once from coming back, in every build of the tests. */
#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define INPUT_MAX 8192
#define FILES_MAX 1024

struct file {
    uint8_t *bytes;
    size_t size;
};

static struct file corpus[FILES_MAX];
static size_t corpus_count;
/* For whoever looks at a crash. */
static char present[512];

/* ---- chance: SplitMix64, which needs no warming up ---- */

static uint64_t chance_next(uint64_t *chance)
{
    uint64_t z = *chance += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static size_t chance_below(uint64_t *chance, size_t most)
{
    return most ? (size_t)(chance_next(chance) % most) : 0;
}

/* ---- mutations ---- */

static void put_number(struct file *input, uint64_t *chance)
{
    static const uint64_t edges[] = {
        0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX,
    };
    size_t bytes = (size_t)1 << chance_below(chance, 4);
    uint64_t value = edges[chance_below(chance, sizeof(edges) / sizeof(edges[0]))];

    if (input->size < bytes)
        return;
    size_t at = chance_below(chance, input->size - bytes + 1);
    for (size_t i = bytes; i-- > 0; value >>= 8)
        input->bytes[at + i] = (uint8_t)value;
}

/* Bytes of a file of the corpus, or of the input itself, go in between. */
static void insert_part(struct file *input, uint64_t *chance)
{
    const struct file *from = &corpus[chance_below(chance, corpus_count)];
    size_t begin = chance_below(chance, from->size),
           size = 1 + chance_below(chance, from->size - begin),
           at = chance_below(chance, input->size + 1);

    if (from->size == 0 || input->size + size > INPUT_MAX)
        return;
    memmove(input->bytes + at + size, input->bytes + at, input->size - at);
    memcpy(input->bytes + at, from->bytes + begin, size);
    input->size += size;
}

static void remove_part(struct file *input, uint64_t *chance)
{
    size_t at = chance_below(chance, input->size),
           size = 1 + chance_below(chance, chance_below(chance, 8) ? 8 : INPUT_MAX);

    if (at + size > input->size)
        return;
    memmove(input->bytes + at, input->bytes + at + size, input->size - at - size);
    input->size -= size;
}

static void mutate(struct file *input, uint64_t *chance)
{
    size_t at = chance_below(chance, input->size);

    switch (chance_below(chance, 6)) {
    case 0:
        if (input->size)
            input->bytes[at] ^= (uint8_t)(1 << chance_below(chance, 8));
        break;
    case 1:
        if (input->size)
            input->bytes[at] = (uint8_t)chance_next(chance);
        break;
    case 2:
        if (input->size)
            input->bytes[at] = (uint8_t)(input->bytes[at] + (chance_below(chance, 2) ? 1 : -1));
        break;
    case 3:
        put_number(input, chance);
        break;
    case 4:
        insert_part(input, chance);
        break;
    default:
        remove_part(input, chance);
        break;
    }
}

/* ---- running ---- */

/* From the heap, at its true size, so that a sanitizer sees each byte read beyond it. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    MUST(copy);
    memcpy(copy, bytes, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_mutation(uint64_t seed, uint64_t number)
{
    uint8_t bytes[INPUT_MAX];
    uint64_t chance = seed ^ number * UINT64_C(0xd1342543de82ef95);
    const struct file *from = &corpus[chance_below(&chance, corpus_count)];
    struct file input = { bytes, from->size };

    snprintf(present, sizeof(present), "run %llu of seed %llu: see it again with --only %llu\n",
             (unsigned long long)number, (unsigned long long)seed, (unsigned long long)number);
    memcpy(bytes, from->bytes, from->size);
    for (size_t i = chance_below(&chance, 8) + 1; i > 0; i--)
        mutate(&input, &chance);
    run(input.bytes, input.size);
}

static void tell_present(void)
{
    ssize_t written = write(STDERR_FILENO, present, strlen(present));
    (void)written;
}

static void tell_and_die(int signal)
{
    tell_present();
    raise(signal);
}

/* A sanitizer's own end is no signal. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static void tell_when_it_ends(void)
{
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(tell_present);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i],
                  &(struct sigaction){ .sa_handler = tell_and_die, .sa_flags = (int)SA_RESETHAND },
                  NULL);
}

/* ---- the corpus ---- */

static bool read_file(const char *name)
{
    struct file *file = &corpus[corpus_count];
    uint8_t bytes[INPUT_MAX];
    FILE *from = fopen(name, "rb");

    if (!from || corpus_count == FILES_MAX) {
        fprintf(stderr, "%s: can't be read\n", name);
        return false;
    }
    file->size = fread(bytes, 1, sizeof(bytes), from);
    fclose(from);
    file->bytes = malloc(file->size + 1);
    MUST(file->bytes);
    memcpy(file->bytes, bytes, file->size);
    corpus_count++;
    snprintf(present, sizeof(present), "%s\n", name);
    run(file->bytes, file->size);
    return true;
}

static bool read_folder(const char *name)
{
    struct dirent **entries;
    char path[1024];
    /* By name: one order on every file system, or --only would not show the same again. */
    int count = scandir(name, &entries, NULL, alphasort);
    bool done = count >= 0;

    if (!done)
        fprintf(stderr, "%s: can't be read\n", name);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", name, entries[i]->d_name);
        if (done && entries[i]->d_name[0] != '.')
            done = read_file(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return done;
}

static bool read_corpus(const char *name)
{
    struct stat stat_of;

    return stat(name, &stat_of) == 0 && S_ISDIR(stat_of.st_mode) ? read_folder(name)
                                                                 : read_file(name);
}

int main(int argc, char **argv)
{
    uint64_t runs = 0, seed = 1, only = 0;
    bool done = true;

    tell_when_it_ends();
    for (int i = 1; i < argc && done; i++) {
        uint64_t *number = strcmp(argv[i], "--runs") == 0   ? &runs
                           : strcmp(argv[i], "--seed") == 0 ? &seed
                           : strcmp(argv[i], "--only") == 0 ? &only
                                                            : NULL;
        if (number && i + 1 < argc)
            *number = strtoull(argv[++i], NULL, 10);
        else
            done = read_corpus(argv[i]);
    }
    if (!done || corpus_count == 0) {
        fprintf(stderr, "usage: %s [--runs N] [--seed S] [--only K] FILE|FOLDER...\n", argv[0]);
        return EXIT_FAILURE;
    }
    for (uint64_t number = only ? only : 1; number <= (only ? only : runs); number++)
        run_mutation(seed, number);
    for (size_t i = 0; i < corpus_count; i++)
        free(corpus[i].bytes);
    printf("%zu files, %llu mutations\n", corpus_count, (unsigned long long)(only ? 1 : runs));
    return EXIT_SUCCESS;
}
