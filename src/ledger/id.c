/* id.c - operation ids and coupon names, with their text forms.
 *
 * An id made here begins with the time, so that "older than" means something: an account forgets
 * its oldest ids and keeps one floor instead. An id made from a caller's text is a hash and has no
 * age; its top bit says so, and nobody forgets it. */
#include "ledger/id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "session/session.h"

#define ID_SIZE sizeof(((lk_id *)NULL)->bytes)
#define ID_TEXT_MAX 256
#define TEXT_BIT 0x80

lk_id id_make(int64_t now_ms, uint64_t chance_a, uint64_t chance_b)
{
    lk_id id;
    uint64_t time = (uint64_t)now_ms & 0x7fffffffffff;

    for (size_t i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(time >> (40 - 8 * i));
    for (size_t i = 0; i < 8; i++)
        id.bytes[6 + i] = (uint8_t)(chance_a >> (8 * i));
    for (size_t i = 0; i < 2; i++)
        id.bytes[14 + i] = (uint8_t)(chance_b >> (8 * i));
    return id;
}

lk_id id_next(lk_id id)
{
    for (size_t i = ID_SIZE; i-- > 6 && ++id.bytes[i] == 0;)
        ;
    return id;
}

bool id_is_none(lk_id id)
{
    return id_equals(id, LK_ID_NONE);
}

bool id_is_text(lk_id id)
{
    return id.bytes[0] & TEXT_BIT;
}

int64_t id_time_ms(lk_id id)
{
    int64_t ms = 0;

    for (size_t i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms;
}

bool id_equals(lk_id a, lk_id b)
{
    return memcmp(a.bytes, b.bytes, ID_SIZE) == 0;
}

bool coupon_equals(lk_coupon a, lk_coupon b)
{
    return a.shard == b.shard && a.serial == b.serial;
}

int id_compare(lk_id a, lk_id b)
{
    return memcmp(a.bytes, b.bytes, ID_SIZE);
}

lk_id lk_id_new(lk_client *client)
{
    if (!client || client_enter_closed(client) != LK_OK)
        return LK_ID_NONE;
    uint64_t a = client_random(client), b = client_random(client);
    lk_id id = id_make(client_wall_ms(client), a, b);
    client_leave(client);
    return id;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool id_parse(const char *text, lk_id *out)
{
    for (size_t i = 0; i < ID_SIZE; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * ID_SIZE] == '\0';
}

int lk_id_from_text(const char *text, lk_id *out)
{
    if (!text || !out)
        return LK_E_INVALID;
    size_t size = strnlen(text, ID_TEXT_MAX + 1);
    if (size == 0 || size > ID_TEXT_MAX)
        return LK_E_INVALID;

    lk_id id;
    if (size == 2 * ID_SIZE && id_parse(text, &id)) {
        if (id_is_none(id))
            return LK_E_INVALID;
        *out = id;
        return LK_OK;
    }
    XXH128_canonical_t hash;
    XXH128_canonicalFromHash(&hash, XXH3_128bits(text, size));
    memcpy(id.bytes, hash.digest, ID_SIZE);
    id.bytes[0] |= TEXT_BIT;
    *out = id;
    return LK_OK;
}

char *lk_id_text(lk_id id, char text[LK_ID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < ID_SIZE; i++) {
        text[2 * i] = digits[id.bytes[i] >> 4];
        text[2 * i + 1] = digits[id.bytes[i] & 15];
    }
    text[2 * ID_SIZE] = '\0';
    return text;
}

/* One spelling a number: no sign, no leading zero, so that two texts never name one coupon. */
static const char *number_parse(const char *text, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;

    if (*text < '0' || *text > '9' || (text[0] == '0' && text[1] >= '0' && text[1] <= '9'))
        return NULL;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (most - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    *out = value;
    return text;
}

int lk_coupon_parse(const char *text, lk_coupon *out)
{
    uint64_t shard, serial;

    if (!text || !out)
        return LK_E_INVALID;
    const char *rest = number_parse(text, UINT16_MAX, &shard);
    if (!rest || *rest != '-')
        return LK_E_INVALID;
    rest = number_parse(rest + 1, UINT64_MAX, &serial);
    if (!rest || *rest != '\0' || serial == 0)
        return LK_E_INVALID;
    *out = (lk_coupon){ (uint32_t)shard, serial };
    return LK_OK;
}

char *lk_coupon_text(lk_coupon coupon, char text[LK_COUPON_TEXT_SIZE])
{
    snprintf(text, LK_COUPON_TEXT_SIZE, "%" PRIu32 "-%" PRIu64, coupon.shard, coupon.serial);
    return text;
}
