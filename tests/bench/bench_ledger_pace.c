/* bench_ledger_pace.c - claims that come at a rate of their own, as a sale's do: late answers do not
 * make the next come later. A latency counts from the moment at which the claim should have been
 * made, or a system that stands still would only be asked less. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "bench_ledger.h"

enum { PATIENCE_MS = 120000, NAP_NS = 100000 };

struct pace {
    lk_ledger *ledger;
    size_t count, answered;
    int64_t ended_ns;
    double *latencies_us;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

struct one {
    struct pace *pace;
    int64_t due_ns;
};

static void one_answered(const lk_ledger_result *result, void *arg)
{
    struct one *one = arg;
    struct pace *pace = one->pace;
    int64_t now_ns = lk_now_ns();

    MUST(result->status == LK_OK);
    pthread_mutex_lock(&pace->mutex);
    pace->latencies_us[pace->answered++] = (double)(now_ns - one->due_ns) / 1e3;
    pace->ended_ns = now_ns;
    if (pace->answered == pace->count)
        pthread_cond_signal(&pace->changed);
    pthread_mutex_unlock(&pace->mutex);
}

static void one_start(struct one *one, size_t number)
{
    char user[USER_SIZE];

    user_name(number, user);
    const lk_ledger_op claim = { .verb = LK_LEDGER_CLAIM, .user = user };
    MUST(lk_ledger_do_start(one->pace->ledger, &claim, lk_in_ms(PATIENCE_MS), one_answered, one,
                            NULL)
         == LK_OK);
}

/* The load comes by the clock: that is what is measured. */
static void nap_until(int64_t moment_ns)
{
    int64_t left_ns = moment_ns - lk_now_ns();

    if (left_ns <= 0)
        return;
    nanosleep(&(struct timespec){ .tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000 },
              NULL);
}

struct paced load_pace(lk_ledger *ledger, size_t first, size_t count, double rate)
{
    struct pace pace = { .ledger = ledger,
                         .count = count,
                         .latencies_us = calloc(count, sizeof(double)),
                         .mutex = PTHREAD_MUTEX_INITIALIZER,
                         .changed = PTHREAD_COND_INITIALIZER };
    struct one *ones = calloc(count, sizeof *ones);
    int64_t began_ns = lk_now_ns() + NAP_NS;

    MUST(pace.latencies_us && ones && count > 0);
    for (size_t i = 0; i < count; i++) {
        ones[i] = (struct one){ &pace, began_ns + (int64_t)((double)i / rate * 1e9) };
        if (ones[i].due_ns > lk_now_ns())
            nap_until(lk_now_ns() + NAP_NS > ones[i].due_ns ? lk_now_ns() + NAP_NS
                                                            : ones[i].due_ns);
        one_start(&ones[i], first + i);
    }
    pthread_mutex_lock(&pace.mutex);
    while (pace.answered < count)
        pthread_cond_wait(&pace.changed, &pace.mutex);
    pthread_mutex_unlock(&pace.mutex);
    spread_of(pace.latencies_us, count); /* sorts */
    struct paced paced = { .p50_us = pace.latencies_us[count / 2],
                           .p99_us = pace.latencies_us[count - 1 - count / 100],
                           .highest_us = pace.latencies_us[count - 1],
                           .rate = (double)count / (double)(pace.ended_ns - began_ns) * 1e9 };
    free(ones);
    free(pace.latencies_us);
    pthread_cond_destroy(&pace.changed);
    pthread_mutex_destroy(&pace.mutex);
    return paced;
}
