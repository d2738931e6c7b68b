package policy

import (
	"net"
	"net/netip"
	"strings"
)

// placeProblem says what is wrong with a text that names a machine, or something on it, or "". Other kinds of text are not looked at.
func placeProblem(kind, value, written string) string {
	switch kind {
	case "host":
		return hostProblem(value, written)
	case "socket":
		return commandProblem(value, written, "tcp://")
	case "runtime":
		return commandProblem(value, written, "tls://", "tcp://")
	case "server":
		if strings.Trim(value, anyLetters+digits+"._:-") != "" {
			return "must be of letters, digits, '.', '_', ':' and '-', as names in HAProxy are, got " + quote(written)
		}
	case "slot":
		if strings.Trim(value, smallLetters+digits+"_") != "" {
			return "must be of small letters, digits and '_', as names of replication slots are, got " + quote(written)
		}
	case "digits":
		if strings.Trim(value, digits) != "" {
			return "must be of digits alone, as pg_control_system() says it, got " + quote(written)
		}
	}
	return ""
}

// What names are made of. [strings.Trim] leaves nothing of a text that is of these alone: a middle that is left over begins and ends with
// a stranger.
const (
	smallLetters = "abcdefghijklmnopqrstuvwxyz"
	anyLetters   = smallLetters + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits       = "0123456789"
)

// hostProblem says what is wrong with the host of a database, or "". Several of them in one text, which libpq knows, would be several
// nodes under one name.
func hostProblem(value, written string) string {
	if strings.HasPrefix(value, "/") {
		return ""
	}
	if _, err := netip.ParseAddr(value); err == nil {
		return ""
	}
	if _, _, err := net.SplitHostPort(value); err == nil {
		return "is a host with a port: write the host alone, and the port under port, got " + showURL(written)
	}
	if strings.Trim(value, anyLetters+digits+"._-") != "" {
		return "expected a host name or an IP address such as 10.0.0.11, got " + showURL(written)
	}
	return ""
}

// commandProblem says what is wrong with the address at which another program takes commands, or "". A port has one of the schemes.
func commandProblem(value, written string, schemes ...string) string {
	if strings.HasPrefix(value, "/") {
		return ""
	}
	for _, scheme := range schemes {
		address, ok := strings.CutPrefix(value, scheme)
		if !ok {
			continue
		}
		host, port, err := net.SplitHostPort(address)
		if err == nil && host != "" && port != "0" && isPort(port, false) && hostProblem(host, host) == "" {
			return ""
		}
	}
	return "expected the absolute path of a socket such as /run/haproxy/admin.sock, or " + strings.Join(schemes, "host:port or ") +
		"host:port, got " + showURL(written)
}
