package haproxy

import (
	"fmt"
	"strings"
)

// variable is the name of a mark's variable. Names of variables have letters, digits, "_" and "."; the rest is written in hexadecimal,
// so that no two servers share one.
func variable(kind MarkKind, backend, server string) string {
	return "proc.firebreak." + string(kind) + "." + escape(backend) + "." + escape(server)
}

func escape(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; letterOrDigit(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// readVariable reads one line of "get var".
func readVariable(line string) (name, value string, ok bool) {
	name, rest, ok := strings.Cut(line, ": type=str value=<")
	value, closed := strings.CutSuffix(rest, ">")
	return name, value, ok && closed && strings.HasPrefix(name, "proc.firebreak.")
}

// plain says that a name means nothing but itself in a command line.
func plain(name string, most int) bool {
	if name == "" || len(name) > most {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !letterOrDigit(c) && !strings.ContainsRune("_.:-", rune(c)) {
			return false
		}
	}
	return true
}

func letterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Name says that a backend's or server's name can be written in a command as it is.
func Name(name string) bool { return plain(name, 255) }
