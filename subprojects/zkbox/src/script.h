/* script.h - what a proxy does to single frames: counts, records, and the one armed loss.
 *
 *     NONE --arm--> ARMED --its request comes--> FLYING --its end--> HAPPENED --arm--> ...
 *                     ^-----connection broke by itself----|
 *     disarm: ARMED, FLYING --> NONE
 *
 * Not locked: the proxy's lock covers it. */
#ifndef ZKBOX_SCRIPT_H
#define ZKBOX_SCRIPT_H

#include "zkbox.h"

enum script_loss_state { LOSS_NONE, LOSS_ARMED, LOSS_FLYING, LOSS_HAPPENED };

struct script_loss {
    enum script_loss_state state;
    zkbox_direction direction; /* what is lost: the request (to the server) or its reply */
    int opcode;
    int nth;
    int connection; /* on which it flies */
};

enum { SCRIPT_OPCODES = 256, SCRIPT_LOWEST_OPCODE = -16 };

struct script {
    struct script_loss loss;
    int64_t requests[SCRIPT_OPCODES];
    int64_t bytes[2];
    bool recording;
    zkbox_frame *frames;
    size_t frame_count;
    size_t frame_room;
};

enum script_verdict { PASS, LOSE_THIS, LOSE_ITS_REPLY };

/* A request has come: counts and judges it. */
enum script_verdict script_judge(struct script *script, int connection, int32_t opcode);

void script_record(struct script *script, const zkbox_frame *frame);
int64_t script_requests(const struct script *script, int opcode);

int script_arm(struct script *script, zkbox_direction lost, int opcode, int nth);
void script_disarm(struct script *script);
void script_happened(struct script *script, int connection);
void script_broke(struct script *script, int connection);

#endif
