/* fence.c - comparing and writing fences; the names of grant states. */
#include <inttypes.h>
#include <stdio.h>

#include <latchkey/grant.h>

int lk_fence_compare(lk_fence a, lk_fence b)
{
    if (a.zxid != b.zxid)
        return a.zxid < b.zxid ? -1 : 1;
    return a.turn == b.turn ? 0 : a.turn < b.turn ? -1 : 1;
}

char *lk_fence_text(lk_fence fence, char text[LK_FENCE_TEXT_SIZE])
{
    if (fence.turn == 0)
        snprintf(text, LK_FENCE_TEXT_SIZE, "%" PRIu64, fence.zxid);
    else
        snprintf(text, LK_FENCE_TEXT_SIZE, "%" PRIu64 ".%" PRIu64, fence.zxid, fence.turn);
    return text;
}

const char *lk_grant_state_name(lk_grant_state state)
{
    switch (state) {
    case LK_IDLE:
        return "idle";
    case LK_WAITING:
        return "waiting";
    case LK_HELD:
        return "held";
    case LK_SUSPENDED:
        return "suspended";
    case LK_LOST:
        return "lost";
    }
    return "unknown";
}
