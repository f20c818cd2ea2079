/* test_timer.c - the pairing heap of timers against a plain array that is searched from end to end.
 *
 * Some thousands of random operations a seed; after each, the heap's root must be the array's
 * smallest, and a run must fire what is due, once, in order. The seeds are fixed: a failure names
 * its seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "session/engine.h"

enum { TIMERS = 100, STEPS = 4000, SEEDS = 25 };

struct alarm {
    struct timer timer;
    bool is_set; /* the model's word, not the heap's */
    int64_t at_ns;
    struct room *room;
};

struct room {
    lk_client client; /* of which timers use only the heap and the time */
    struct alarm alarms[TIMERS];
    uint64_t random;
    int64_t last_fired_ns;
    size_t fired;
};

/* Steele and Vigna's splitmix64: any seed does. */
static uint64_t room_random(struct room *room, uint64_t below)
{
    uint64_t z = room->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

static void alarm_fire(struct timer *timer);

static void alarm_set(struct alarm *alarm, int64_t at_ns)
{
    alarm->is_set = true;
    alarm->at_ns = at_ns;
    timer_set(&alarm->room->client, &alarm->timer, at_ns, alarm_fire);
}

static void alarm_stop(struct alarm *alarm)
{
    alarm->is_set = false;
    timer_stop(&alarm->room->client, &alarm->timer);
}

/* What fires may set and stop others, and itself. */
static void alarm_fire(struct timer *timer)
{
    struct alarm *alarm = container_of(timer, struct alarm, timer);
    struct room *room = alarm->room;
    struct alarm *other = &room->alarms[room_random(room, TIMERS)];

    assert_true(alarm->is_set);
    assert_true(alarm->at_ns <= room->client.now_ns);
    assert_true(alarm->at_ns >= room->last_fired_ns);
    room->last_fired_ns = alarm->at_ns;
    room->fired++;
    alarm->is_set = false;
    switch (room_random(room, 4)) {
    case 0:
        alarm_set(other, room->client.now_ns + 1 + (int64_t)room_random(room, 50));
        break;
    case 1:
        alarm_stop(other);
        break;
    }
}

static int64_t earliest_ns(const struct room *room)
{
    int64_t earliest = INT64_MAX;

    for (size_t i = 0; i < TIMERS; i++)
        if (room->alarms[i].is_set && room->alarms[i].at_ns < earliest)
            earliest = room->alarms[i].at_ns;
    return earliest;
}

static void room_step(struct room *room)
{
    struct alarm *alarm = &room->alarms[room_random(room, TIMERS)];

    switch (room_random(room, 8)) {
    case 0:
    case 1:
        alarm_stop(alarm);
        break;
    case 2:
        room->client.now_ns += (int64_t)room_random(room, 30);
        room->last_fired_ns = INT64_MIN;
        timers_run(&room->client);
        assert_true(earliest_ns(room) > room->client.now_ns);
        break;
    default:
        /* Few distinct times: equal ones are the interesting case. */
        alarm_set(alarm, room->client.now_ns + (int64_t)room_random(room, 60));
    }
    assert_int_equal(room->client.timers ? room->client.timers->at_ns : INT64_MAX,
                     earliest_ns(room));
}

static void random_operations_agree_with_the_model(void **state)
{
    struct room *room = malloc(sizeof *room);

    (void)state;
    assert_non_null(room);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        *room = (struct room){ .random = seed };
        for (size_t i = 0; i < TIMERS; i++)
            room->alarms[i].room = room;
        print_message("seed %llu\n", (unsigned long long)seed);
        for (size_t step = 0; step < STEPS; step++)
            room_step(room);
        assert_true(room->fired > STEPS / 10);
        for (size_t i = 0; i < TIMERS; i++)
            alarm_stop(&room->alarms[i]);
        assert_null(room->client.timers);
    }
    free(room);
}

static void setting_a_timer_anew_moves_it(void **state)
{
    struct room room = { 0 };
    struct alarm *a = &room.alarms[0], *b = &room.alarms[1];

    (void)state;
    a->room = b->room = &room;
    alarm_set(a, 10);
    alarm_set(b, 20);
    alarm_set(a, 30);
    assert_ptr_equal(room.client.timers, &b->timer);
    alarm_set(a, 5);
    assert_ptr_equal(room.client.timers, &a->timer);
    alarm_stop(a);
    alarm_stop(a);
    assert_ptr_equal(room.client.timers, &b->timer);
    alarm_stop(b);
    assert_null(room.client.timers);
}

static void ten_thousand_timers_fire_in_order(void **state)
{
    enum { MANY = 10000 };
    struct room room = { .random = 1, .last_fired_ns = INT64_MIN };
    struct timer *timers = calloc(MANY, sizeof *timers);
    int64_t last_ns = INT64_MIN;
    size_t count = 0;

    (void)state;
    assert_non_null(timers);
    for (size_t i = 0; i < MANY; i++)
        timer_set(&room.client, &timers[i], (int64_t)room_random(&room, MANY), alarm_fire);
    while (room.client.timers) {
        struct timer *first = room.client.timers;
        assert_true(first->at_ns >= last_ns);
        last_ns = first->at_ns;
        timer_stop(&room.client, first);
        count++;
    }
    assert_int_equal(count, MANY);
    free(timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_the_model),
        cmocka_unit_test(setting_a_timer_anew_moves_it),
        cmocka_unit_test(ten_thousand_timers_fire_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
