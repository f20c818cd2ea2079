/* wire.h - ZooKeeper's frames, as far as zkbox must understand them.
 *
 *     frame    length(4) body             all numbers big-endian; the length does not count itself
 *     request  xid(4) opcode(4) ...       the first frame each way is the connect exchange instead
 *     reply    xid(4) zxid(8) error(4) ...
 *
 * Requests of one connection are answered in their order. Three kinds have an xid of their own. */
#ifndef ZKBOX_WIRE_H
#define ZKBOX_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    WIRE_EVENT_XID = -1, /* a watch has fired; only ever sent by the server */
    WIRE_PING_XID = -2,
    WIRE_AUTH_XID = -4,
    WIRE_SET_WATCHES_XID = -8,
};

enum {
    WIRE_CONNECT = 0, /* no opcode on the wire; our name for the first frame */
    WIRE_PING = 11,
    WIRE_AUTH = 100,
    WIRE_SET_WATCHES = 101,
    WIRE_SET_WATCHES2 = 105,
    WIRE_CLOSE = -11,
};

enum {
    WIRE_REQUEST_HEADER = 4 + 4 + 4, /* with the length */
    WIRE_REPLY_HEADER = 4 + 4 + 8 + 4,
    WIRE_FRAME_MAX = 64 << 20, /* far below any four-letter word read as a length */
};

int32_t wire_int32(const unsigned char *bytes);
int64_t wire_int64(const unsigned char *bytes);
unsigned char *wire_put_int32(unsigned char *to, int32_t value); /* return what follows */
unsigned char *wire_put_int64(unsigned char *to, int64_t value);

/* Size with its length field of the frame that begins here; 0: not all of it has come yet;
 * -EPROTO: this is no frame. */
ssize_t wire_frame_size(const unsigned char *bytes, size_t size);

#endif
