/* names.c - znode names of the ledger, see names.h; and names for verbs and states. */
#include "ledger/names.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <latchkey/ledger.h>
#include <xxhash.h>

__attribute__((format(printf, 1, 2))) static char *name_format(const char *format, ...)
{
    va_list arguments;
    char *name;

    va_start(arguments, format);
    int size = vasprintf(&name, format, arguments);
    va_end(arguments);
    return size < 0 ? NULL : name;
}

char *name_seal(const char *campaign, uint64_t seal)
{
    return name_format("%s/seal-%016" PRIx64, campaign, seal);
}

char *name_grave(const char *campaign, uint64_t seal)
{
    return name_format("%s/grave-%016" PRIx64, campaign, seal);
}

char *name_clock(const char *campaign)
{
    return name_format("%s/clock", campaign);
}

char *name_stock(const char *campaign)
{
    return name_format("%s/stock", campaign);
}

char *name_shard(const char *campaign, size_t index)
{
    return name_format("%s/stock/%04zu", campaign, index);
}

char *name_accounts(const char *campaign)
{
    return name_format("%s/accounts", campaign);
}

void bucket_name(size_t bucket, char name[BUCKET_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    bucket %= BUCKETS;
    for (size_t i = BUCKET_NAME_SIZE - 1; i-- > 0; bucket /= 16)
        name[i] = digits[bucket % 16];
    name[BUCKET_NAME_SIZE - 1] = '\0';
}

char *name_bucket(const char *campaign, size_t bucket)
{
    char name[BUCKET_NAME_SIZE];

    bucket_name(bucket, name);
    return name_format("%s/accounts/%s", campaign, name);
}

size_t user_bucket(const char *user)
{
    return (size_t)(XXH3_64bits(user, strlen(user)) % BUCKETS);
}

static bool byte_stays(char c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c == '-' || c == '_' || c == '@' || c == '+' || (c == '.' && !first);
}

void user_encode(const char *user, char name[])
{
    for (const char *at = user; *at; at++) {
        if (byte_stays(*at, at == user))
            *name++ = *at;
        else
            name += sprintf(name, "%%%02X", (unsigned char)*at);
    }
    *name = '\0';
}

static const char accounts[] = "/accounts/";

size_t name_account_size(const char *campaign, const char *user)
{
    size_t size = strlen(campaign) + sizeof(accounts) + BUCKET_NAME_SIZE;

    for (const char *at = user; *at; at++)
        size += byte_stays(*at, at == user) ? 1 : 3;
    return size;
}

void name_account_into(const char *campaign, const char *user, char *path)
{
    size_t size = strlen(campaign);

    memcpy(path, campaign, size);
    path += size;
    memcpy(path, accounts, sizeof(accounts) - 1);
    path += sizeof(accounts) - 1;
    bucket_name(user_bucket(user), path);
    path[BUCKET_NAME_SIZE - 1] = '/';
    user_encode(user, path + BUCKET_NAME_SIZE);
}

char *name_account(const char *campaign, const char *user)
{
    char *path = malloc(name_account_size(campaign, user));

    if (path)
        name_account_into(campaign, user, path);
    return path;
}

bool user_decode(const char *name, char *user, size_t size)
{
    const char *digits = "0123456789ABCDEF";
    size_t used = 0;

    for (const char *at = name; *at; at++) {
        char byte = *at;
        if (used + 1 >= size)
            return false;
        if (byte == '%') {
            const char *high = at[1] ? strchr(digits, at[1]) : NULL;
            const char *low = high && at[2] ? strchr(digits, at[2]) : NULL;
            if (!low)
                return false;
            byte = (char)((high - digits) << 4 | (low - digits));
            at += 2;
            if (byte == '\0' || byte_stays(byte, used == 0))
                return false;
        } else if (!byte_stays(byte, used == 0)) {
            return false;
        }
        user[used++] = byte;
    }
    user[used] = '\0';
    return used > 0;
}

const char *lk_coupon_state_name(lk_coupon_state state)
{
    switch (state) {
    case LK_CLAIMED:
        return "claimed";
    case LK_FROZEN:
        return "frozen";
    case LK_REDEEMED:
        return "redeemed";
    case LK_VOID:
        return "void";
    }
    return "unknown";
}

const char *lk_ledger_verb_name(lk_ledger_verb verb)
{
    switch (verb) {
    case LK_LEDGER_CLAIM:
        return "claim";
    case LK_LEDGER_FREEZE:
        return "freeze";
    case LK_LEDGER_UNFREEZE:
        return "unfreeze";
    case LK_LEDGER_REDEEM:
        return "redeem";
    case LK_LEDGER_REFUND:
        return "refund";
    case LK_LEDGER_VOID:
        return "void";
    }
    return "unknown";
}
