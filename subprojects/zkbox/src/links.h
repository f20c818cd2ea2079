/* links.h - the links between the servers of an ensemble, to be cut, stalled and healed at run time.
 *
 * Each server's java opens its connections through a gate of its own, a SOCKS server (RFC 1928:
 * CONNECT alone, nobody is asked who he is). So it is known who calls and, by the port, whom.
 * Proxies in place of the peers' ports would not do: in an election a server tells the other its own
 * address, and is called back there.
 *
 *     node 0 --> gate 0 --+
 *     node 1 --> gate 1 --+--> one thread --TCP--> the peer's port
 *     node 2 --> gate 2 --+ */
#ifndef ZKBOX_LINKS_H
#define ZKBOX_LINKS_H

struct links;

enum link_fault { LINK_CUT, LINK_STALLED, LINK_LOSES };

int links_start(struct links **out, int nodes);
struct links *links_stop(struct links *links); /* NULL accepted and returned */

int links_gate(const struct links *links, int node); /* its port */

/* Where a node listens for its peers. */
void links_expect(struct links *links, int node, int peer_port, int election_port);

/* Each has taken effect when it returns. LINK_LOSES: what `a` sends to `b`; else both ways. */
void links_hurt(struct links *links, enum link_fault fault, int a, int b);
void links_heal(struct links *links, int a, int b);

#endif
