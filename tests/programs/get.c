/* A client that knows nothing of proxies: looks a name up, sends a request and writes the whole answer. */

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **words)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    char buffer[4096];
    ssize_t length;
    int sock;

    if (count != 4 || getaddrinfo(words[1], words[2], &hints, &found))
        return 2;
    sock = socket(found->ai_family, found->ai_socktype, 0);
    if (connect(sock, found->ai_addr, found->ai_addrlen))
        return 3;
    freeaddrinfo(found);
    length = snprintf(buffer, sizeof buffer, "GET %s HTTP/1.0\r\n\r\n", words[3]);
    if (write(sock, buffer, length) != length)
        return 4;
    while ((length = read(sock, buffer, sizeof buffer)) > 0)
        fwrite(buffer, 1, length, stdout);
    close(sock);
    return length < 0 ? 5 : 0;
}
