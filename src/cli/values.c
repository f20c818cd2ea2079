/* values.c - texts to values and back: seconds, numbers, times. Strict: what is not wholly such a
 * value is none. */
#include <string.h>
#include <time.h>

#include "cli/cli.h"

/* About thirty years: longer waits are the same as for ever, and this one can be added to any
 * clock. */
#define SECONDS_MOST 1000000000
#define NS_PER_S 1000000000
#define MS_PER_S 1000

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool cli_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (!is_digit(*text) || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value < least || value > most)
        return false;
    *out = value;
    return true;
}

/* Digit by digit rather than strtod(): no locale, no exponent, no "inf", no rounding. What is finer
 * than a nanosecond is cut off, what is longer than SECONDS_MOST is that. */
bool cli_seconds(const char *text, int64_t *out_ns)
{
    int64_t whole = 0, fraction = 0, unit = NS_PER_S;
    size_t digits = 0;

    for (; is_digit(*text); text++, digits++)
        if (whole < SECONDS_MOST)
            whole = whole * 10 + (*text - '0');
    if (*text == '.')
        for (text++; is_digit(*text); text++, digits++) {
            unit /= 10;
            fraction += unit * (*text - '0');
        }
    if (*text != '\0' || digits == 0)
        return false;
    *out_ns = whole < SECONDS_MOST ? whole * NS_PER_S + fraction : (int64_t)SECONDS_MOST * NS_PER_S;
    return true;
}

/* Reads exactly `digits` digits as a number from least to most. */
static bool take_digits(const char **text, int digits, int least, int most, int *out)
{
    int value = 0;
    for (; digits > 0; digits--, (*text)++) {
        if (!is_digit(**text))
            return false;
        value = value * 10 + (**text - '0');
    }
    *out = value;
    return value >= least && value <= most;
}

static bool take_char(const char **text, const char *any_of)
{
    if (**text == '\0' || strchr(any_of, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* "Z" or "+hh:mm": how many seconds the text's clock is ahead of UTC. */
static bool take_offset(const char **text, int *out_s)
{
    *out_s = 0;
    if (take_char(text, "Zz"))
        return true;
    int sign = **text == '-' ? -1 : 1, hours, minutes;
    if (!take_char(text, "+-") || !take_digits(text, 2, 0, 23, &hours) || !take_char(text, ":")
        || !take_digits(text, 2, 0, 59, &minutes))
        return false;
    *out_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_milliseconds(const char **text, int *out_ms)
{
    int unit = MS_PER_S;
    *out_ms = 0;
    if (!take_char(text, "."))
        return true;
    if (!is_digit(**text))
        return false;
    for (; is_digit(**text); (*text)++) {
        unit /= 10;
        *out_ms += unit * (**text - '0');
    }
    return true;
}

static bool rfc3339(const char *text, int64_t *out_ms)
{
    int year, month, day, hour, minute, second, ms, offset_s;
    if (!take_digits(&text, 4, 0, 9999, &year) || !take_char(&text, "-")
        || !take_digits(&text, 2, 1, 12, &month) || !take_char(&text, "-")
        || !take_digits(&text, 2, 1, days_in_month(year, month), &day) || !take_char(&text, "Tt ")
        || !take_digits(&text, 2, 0, 23, &hour) || !take_char(&text, ":")
        || !take_digits(&text, 2, 0, 59, &minute) || !take_char(&text, ":")
        || !take_digits(&text, 2, 0, 60, &second) || !take_milliseconds(&text, &ms)
        || !take_offset(&text, &offset_s) || *text != '\0')
        return false;

    struct tm tm = { .tm_year = year - 1900,
                     .tm_mon = month - 1,
                     .tm_mday = day,
                     .tm_hour = hour,
                     .tm_min = minute,
                     .tm_sec = second };
    *out_ms = ((int64_t)timegm(&tm) - offset_s) * MS_PER_S + ms;
    return true;
}

bool cli_time(const char *text, struct cli_time *out)
{
    struct cli_time time = { .relative = *text == '+' };
    int64_t ns;
    if (!time.relative) {
        if (!rfc3339(text, &time.ms))
            return false;
    } else {
        if (!cli_seconds(text + 1, &ns))
            return false;
        time.ms = ns / (NS_PER_S / MS_PER_S);
    }
    *out = time;
    return true;
}

char *cli_time_text(int64_t ms, char text[CLI_TIME_SIZE])
{
    time_t seconds = (time_t)(ms / MS_PER_S - (ms % MS_PER_S < 0));
    int rest = (int)(ms % MS_PER_S + (ms % MS_PER_S < 0 ? MS_PER_S : 0));
    struct tm tm;
    char rest_of_year[CLI_TIME_SIZE - 16] = "";
    if (gmtime_r(&seconds, &tm) == NULL
        || strftime(rest_of_year, sizeof(rest_of_year), "-%m-%dT%H:%M:%S", &tm) == 0)
        snprintf(text, CLI_TIME_SIZE, "?");
    else /* %Y has no leading zeros */
        snprintf(text, CLI_TIME_SIZE, "%04d%s.%03dZ", tm.tm_year + 1900, rest_of_year, rest);
    return text;
}

/* The two largest units that matter. */
char *cli_age_text(int64_t ms, char text[CLI_TIME_SIZE])
{
    enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };
    long long s = ms / MS_PER_S;

    if (ms < MS_PER_S)
        snprintf(text, CLI_TIME_SIZE, "%lldms", (long long)(ms > 0 ? ms : 0));
    else if (s < MINUTE)
        snprintf(text, CLI_TIME_SIZE, "%lld.%llds", s, (long long)(ms % MS_PER_S / 100));
    else if (s < HOUR)
        snprintf(text, CLI_TIME_SIZE, "%lldm%02llds", s / MINUTE, s % MINUTE);
    else if (s < DAY)
        snprintf(text, CLI_TIME_SIZE, "%lldh%02lldm", s / HOUR, s % HOUR / MINUTE);
    else
        snprintf(text, CLI_TIME_SIZE, "%lldd%02lldh", s / DAY, s % DAY / HOUR);
    return text;
}
