/* A worker's end of a clocked task: wait for a call, do it on shared memory, say that it is done.
 *
 *     static int64_t work(const int64_t words[RSI_WORDS], const unsigned char *in, unsigned char *out) { ... return 0; }
 *     int main(void) { return rsi_work(work); }
 *
 * The harness passes two pieces of memory with its first message: `in`, which only it can write, and `out`.
 */
#ifndef RSI_WORKER_H
#define RSI_WORKER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RSI_WORDS 16

typedef int64_t (*rsi_handler)(const int64_t words[RSI_WORDS], const unsigned char *in, unsigned char *out);

static int rsi_read(int link, void *place, size_t size) {
    unsigned char *at = place;
    while (size > 0) {
        ssize_t got = read(link, at, size);
        if (got <= 0) return 0;
        at += got;
        size -= (size_t)got;
    }
    return 1;
}

static int rsi_connect(void) {
    const char *path = getenv("RSI_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int link = socket(AF_UNIX, SOCK_STREAM, 0);
    if (path == NULL || link < 0 || strlen(path) >= sizeof address.sun_path) return -1;
    strcpy(address.sun_path, path);
    return connect(link, (struct sockaddr *)&address, sizeof address) == 0 ? link : -1;
}

/* Serve calls until the harness leaves; 0 when it left in good order. */
static int rsi_work(rsi_handler handler) {
    int64_t sizes[2], words[RSI_WORDS];
    int files[2];
    char control[CMSG_SPACE(sizeof files)];
    struct iovec part = {.iov_base = sizes, .iov_len = sizeof sizes};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int link = rsi_connect();
    if (link < 0 || recvmsg(link, &message, MSG_WAITALL) != (ssize_t)sizeof sizes) return 70;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head == NULL || head->cmsg_len != CMSG_LEN(sizeof files)) return 70;
    memcpy(files, CMSG_DATA(head), sizeof files);
    unsigned char *in = mmap(NULL, (size_t)sizes[0], PROT_READ, MAP_SHARED, files[0], 0);
    unsigned char *out = mmap(NULL, (size_t)sizes[1], PROT_READ | PROT_WRITE, MAP_SHARED, files[1], 0);
    if (in == MAP_FAILED || out == MAP_FAILED) return 70;
    while (rsi_read(link, words, sizeof words)) {
        int64_t status = handler(words, in, out);
        if (write(link, &status, sizeof status) != (ssize_t)sizeof status) return 70;
    }
    return 0;
}

#endif
