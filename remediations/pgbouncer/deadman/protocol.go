package deadman

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"
)

// MaxFor is the longest that anything is armed, renewals included.
const MaxFor = 15 * time.Second

const (
	// largestLine bounds a request and an answer.
	largestLine = 4 << 10
	// talkWithin bounds how long a client may take to say what it wants, and to take the answer.
	talkWithin = 3 * time.Second
)

// The requests.
const (
	doArm    = "arm"
	doRenew  = "renew"
	doDisarm = "disarm"
	doState  = "state"
)

// Armed is what will be resumed, and when.
type Armed struct {
	Action   string    `json:"action"`
	Database string    `json:"database"`
	Until    time.Time `json:"until"`
	// Left is how much of it was left when the dead-man answered, by its clock alone.
	Left time.Duration `json:"-"`
}

type request struct {
	Token    string `json:"token,omitempty"`
	Do       string `json:"do"`
	Action   string `json:"action,omitempty"`
	Database string `json:"database,omitempty"`
	ForMS    int64  `json:"for_ms,omitempty"`
}

type answer struct {
	OK    bool      `json:"ok"`
	Error string    `json:"error,omitempty"`
	Armed *Armed    `json:"armed,omitempty"`
	Now   time.Time `json:"now"`
}

// readLine reads one line of JSON, and nothing that is not known.
func readLine(r io.Reader, into any) error {
	line, err := bufio.NewReader(io.LimitReader(r, largestLine)).ReadBytes('\n')
	switch {
	case errors.Is(err, io.EOF) && len(line) == largestLine:
		return fmt.Errorf("the line is longer than %d bytes", largestLine)
	case err != nil:
		return fmt.Errorf("read a line: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(string(line)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("read a line: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read a line: something follows the object")
	}
	return nil
}

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write a line: %w", err)
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write a line: %w", err)
	}
	return nil
}

// place reads an address: the absolute path of a socket, or tcp://host:port of the loopback interface, for which a token is needed.
func place(address, token string) (network, where string, err error) {
	hostPort, tcp := strings.CutPrefix(address, "tcp://")
	if !tcp {
		if !filepath.IsAbs(address) {
			return "", "", fmt.Errorf("read address %q: neither the absolute path of a socket nor tcp://host:port", address)
		}
		return "unix", address, nil
	}
	host, port, err := net.SplitHostPort(hostPort)
	ip := net.ParseIP(host)
	switch {
	case err != nil || port == "":
		return "", "", fmt.Errorf("read address %q: not tcp://host:port", address)
	case ip == nil || !ip.IsLoopback():
		return "", "", fmt.Errorf("read address %q: it is not of the loopback interface", address)
	case token == "":
		return "", "", fmt.Errorf("read address %q: on a port, which anybody on the machine can reach, a token is needed", address)
	}
	return "tcp", hostPort, nil
}
