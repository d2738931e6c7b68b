package testbed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	// redisWithin is how long one command may take.
	redisWithin = 10 * time.Second
	// redisDepth bounds how lists are nested in an answer.
	redisDepth = 8
)

// errRedisAnswer is for an answer that is none of the protocol's.
var errRedisAnswer = errors.New("not an answer of redis")

// RedisDo runs one command at an address, on a connection of its own, and gives its answer as text: a number in digits, a list with one
// entry a line, nothing as "". What Redis refuses is an error in its words.
func RedisDo(addr string, words ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, redisWithin)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(redisWithin)); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", err
	}
	return readRedis(bufio.NewReader(conn), redisDepth)
}

// readRedis reads one answer. The first byte of a line says what follows.
func readRedis(r *bufio.Reader, depth int) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" || depth == 0 {
		return "", errRedisAnswer
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '+', ':':
		return rest, nil
	case '-':
		return "", errors.New(rest)
	}
	size, err := strconv.Atoi(rest)
	if err != nil || size > maxAnswer {
		return "", errRedisAnswer
	}
	switch {
	case size < 0: // there is nothing
		return "", nil
	case kind == '$':
		text := make([]byte, size+len("\r\n"))
		_, err := io.ReadFull(r, text)
		return string(text[:size]), err
	case kind == '*':
		var entries []string
		for range size {
			entry, err := readRedis(r, depth-1)
			if err != nil {
				return "", err
			}
			entries = append(entries, entry)
		}
		return strings.Join(entries, "\n"), nil
	default:
		return "", errRedisAnswer
	}
}
