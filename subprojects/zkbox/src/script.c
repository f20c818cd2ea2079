/* script.c - see script.h. */
#include "script.h"

#include <errno.h>
#include <stdlib.h>

#include "wire.h"

static bool is_housekeeping(int32_t opcode)
{
    return opcode == WIRE_CONNECT || opcode == WIRE_PING || opcode == WIRE_AUTH
           || opcode == WIRE_SET_WATCHES || opcode == WIRE_SET_WATCHES2;
}

static bool matches(int wanted, int32_t opcode)
{
    return wanted == ZKBOX_ANY ? !is_housekeeping(opcode) : wanted == opcode;
}

/* Unknown opcodes share the last place. */
static size_t place(int32_t opcode)
{
    int64_t at = (int64_t)opcode - SCRIPT_LOWEST_OPCODE;
    return at >= 0 && at < SCRIPT_OPCODES ? (size_t)at : SCRIPT_OPCODES - 1;
}

enum script_verdict script_judge(struct script *script, int connection, int32_t opcode)
{
    script->requests[place(opcode)]++;
    struct script_loss *loss = &script->loss;
    if (loss->state != LOSS_ARMED || !matches(loss->opcode, opcode) || --loss->nth > 0)
        return PASS;
    loss->state = LOSS_FLYING;
    loss->connection = connection;
    return loss->direction == ZKBOX_TO_SERVER ? LOSE_THIS : LOSE_ITS_REPLY;
}

/* Out of memory ends the record: zkbox_proxy_trace() then fails too. */
void script_record(struct script *script, const zkbox_frame *frame)
{
    script->bytes[frame->direction] += (int64_t)frame->size;
    if (!script->recording)
        return;
    if (script->frame_count == script->frame_room) {
        size_t room = script->frame_room ? script->frame_room * 2 : 256;
        zkbox_frame *larger = reallocarray(script->frames, room, sizeof(*larger));
        if (!larger) {
            script->recording = false;
            return;
        }
        script->frames = larger;
        script->frame_room = room;
    }
    script->frames[script->frame_count++] = *frame;
}

int64_t script_requests(const struct script *script, int opcode)
{
    if (opcode != ZKBOX_ANY)
        return script->requests[place(opcode)];
    int64_t sum = 0;
    for (int at = 0; at < SCRIPT_OPCODES; at++)
        if (!is_housekeeping(at + SCRIPT_LOWEST_OPCODE))
            sum += script->requests[at];
    return sum;
}

int script_arm(struct script *script, zkbox_direction lost, int opcode, int nth)
{
    if (nth < 1)
        return -EINVAL;
    if (script->loss.state == LOSS_ARMED || script->loss.state == LOSS_FLYING)
        return -EBUSY;
    script->loss = (struct script_loss){
        .state = LOSS_ARMED, .direction = lost, .opcode = opcode, .nth = nth
    };
    return 0;
}

void script_disarm(struct script *script)
{
    if (script->loss.state != LOSS_HAPPENED)
        script->loss.state = LOSS_NONE;
}

void script_happened(struct script *script, int connection)
{
    if (script->loss.state == LOSS_FLYING && script->loss.connection == connection)
        script->loss.state = LOSS_HAPPENED;
}

/* Nobody can tell whether that request was applied, so it does not count: the next one is it. */
void script_broke(struct script *script, int connection)
{
    if (script->loss.state != LOSS_FLYING || script->loss.connection != connection)
        return;
    script->loss.state = LOSS_ARMED;
    script->loss.nth = 1;
}
