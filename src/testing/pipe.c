/* pipe.c - one direction of a TCP connection: in order, late, perhaps stalled; never changed, never
 * doubled. */
#include "world.h"

static void arrived(struct event *event);

static int64_t hindered_until(const struct pipe *pipe)
{
    int64_t until = pipe->stalled_until_ns ? *pipe->stalled_until_ns : 0;
    if (pipe->paused_until_ns && *pipe->paused_until_ns > until)
        until = *pipe->paused_until_ns;
    return until;
}

void pipe_kick(struct pipe *pipe)
{
    if (list_is_empty(&pipe->messages))
        return;
    const struct message *first = container_of(pipe->messages.next, struct message, node);
    int64_t at_ns = first->at_ns, until_ns = hindered_until(pipe);
    if (at_ns < until_ns) /* who wakes first when a hindrance ends is anybody's guess */
        at_ns = until_ns + chance_between(&pipe->world->chance, 1, 400 * US);
    event_at(pipe->world, &pipe->arrive, at_ns, arrived);
}

static void arrived(struct event *event)
{
    struct pipe *pipe = container_of(event, struct pipe, arrive);
    if (hindered_until(pipe) > pipe->world->now_ns) { /* it began while this was under way */
        pipe_kick(pipe);
        return;
    }
    struct message *message = container_of(list_take(&pipe->messages), struct message, node);
    pipe_kick(pipe);
    pipe->deliver(pipe, message);
}

void pipe_send(struct pipe *pipe, struct message *message, int64_t latency_ns)
{
    message->at_ns = pipe->world->now_ns + latency_ns;
    if (message->at_ns <= pipe->last_ns)
        message->at_ns = pipe->last_ns + 1;
    pipe->last_ns = message->at_ns;
    bool was_empty = list_is_empty(&pipe->messages);
    list_append(&pipe->messages, &message->node);
    if (was_empty)
        pipe_kick(pipe);
}

void pipe_clear(struct pipe *pipe)
{
    while (list_take(&pipe->messages))
        ;
    event_stop(pipe->world, &pipe->arrive);
}
