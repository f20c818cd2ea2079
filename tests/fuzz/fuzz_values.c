/* fuzz_values.c - values on the tool's command line: numbers, seconds, times. What is taken for one
 * is one by strtod() and by its own way back, and within the bounds that were asked for. */
#include "fuzz.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>

#include "cli/cli.h"

#define YEAR_0_MS INT64_C(-62167219200000)
#define YEAR_9999_END_MS INT64_C(253402300799999)

static void judge_number(const char *text, uint64_t least, uint64_t most)
{
    uint64_t number = 77, bounded = 77;
    char written[32];
    bool is_number = cli_number(text, 0, UINT64_MAX, &number),
         is_within = cli_number(text, least, most, &bounded);

    MUST(is_number
         == (*text && strspn(text, "0123456789") == strlen(text)
             && (strlen(text + strspn(text, "0")) < 20 || number != 77)));
    MUST(is_within == (is_number && number >= least && number <= most));
    MUST(is_within ? bounded == number : bounded == 77);
    if (!is_number)
        return;
    snprintf(written, sizeof(written), "%" PRIu64, number);
    const char *digits = text + strspn(text, "0");
    MUST(strcmp(*digits ? digits : "0", written) == 0);
}

static void judge_seconds(const char *text)
{
    int64_t ns = -77;

    if (!cli_seconds(text, &ns)) {
        MUST(ns == -77);
        return;
    }
    MUST(ns >= 0 && ns <= INT64_C(1000000000000000000));
    MUST(strspn(text, "0123456789.") == strlen(text));
    double seconds = strtod(text, NULL), told = (double)ns / 1e9;
    MUST(seconds >= 1e9 ? told == 1e9 : fabs(seconds - told) <= 2e-9 + seconds * 1e-15);
}

static void judge_time(const char *text)
{
    struct cli_time time = { .ms = -77 }, again;
    char written[CLI_TIME_SIZE];

    if (!cli_time(text, &time)) {
        MUST(time.ms == -77);
        return;
    }
    MUST(time.relative == (*text == '+'));
    if (time.relative) {
        MUST(time.ms >= 0);
        return;
    }
    /* An offset may lead out of the years that have four digits. */
    if (time.ms < YEAR_0_MS || time.ms > YEAR_9999_END_MS)
        return;
    MUST(cli_time(cli_time_text(time.ms, written), &again));
    MUST(!again.relative && again.ms == time.ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    char written[CLI_TIME_SIZE];
    uint64_t least = take(&in, 1), most = take(&in, 8);
    int64_t ms = (int64_t)most;

    MUST(strlen(cli_time_text(ms, written)) < sizeof(written));
    MUST(strlen(cli_age_text(ms, written)) < sizeof(written));
    char *text = take_text(&in);
    judge_number(text, least, most);
    judge_seconds(text);
    judge_time(text);
    free(text);
    return 0;
}
