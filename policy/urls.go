package policy

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// urlProblem says what is wrong with an absolute URL, or "". written is what the file says, before variables; of that
// no more is shown than scheme and host. A base URL has no query, since paths are joined to it.
func urlProblem(value, written string, base bool, schemes ...string) string {
	example := "an absolute URL such as " + schemes[0] + "://host:port"
	u, err := url.Parse(value)
	switch {
	case err != nil, u.Host == "", u.Hostname() == "", !slices.Contains(schemes, u.Scheme), !isPort(u.Port(), true):
		return "expected " + example + " (" + strings.Join(schemes, " or ") + "), got " + showURL(written)
	case u.User != nil:
		return "has a user or password in it, which would be seen wherever the URL is shown: use the keys for credentials"
	case base && (u.RawQuery != "" || u.ForceQuery || u.Fragment != ""):
		return "is a base URL, paths are added to it: take out what begins with '?' or '#', got " + showURL(written)
	}
	return ""
}

// natsProblem says what is wrong with a list of NATS servers, or "".
func natsProblem(value, written string) string {
	shown := strings.Split(written, ",")
	for i, one := range strings.Split(value, ",") {
		text := written
		if len(shown) > i {
			text = shown[i]
		}
		if said := urlProblem(strings.TrimSpace(one), text, true, "nats", "tls"); said != "" {
			return said
		}
	}
	return ""
}

// showURL is a URL as a problem may show it: without user, password, path and query, each of which may be a secret.
func showURL(s string) string {
	scheme, rest, absolute := strings.Cut(s, "://")
	if absolute {
		scheme += "://"
	} else {
		scheme, rest = "", s
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		scheme, rest = scheme+"…@", rest[i+1:]
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i] + "/…"
	}
	return quote(scheme + rest)
}

// anchorProblem says what is wrong with a place that is asked whether we reach it, host:port or an http(s) URL, or "".
func anchorProblem(value, written string) string {
	if strings.Contains(value, "://") {
		if u, err := url.Parse(value); err == nil && u.User != nil {
			return "has a user or password in it, which would be seen wherever the URL is shown: take it out, every answer below 500 will do"
		}
		return urlProblem(value, written, false, "http", "https")
	}
	host, port, err := net.SplitHostPort(value)
	if n, _ := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" || strings.ContainsAny(host, " /@?#") {
		return "expected host:port such as gateway.example.com:443, or a URL such as https://host/path, got " + showURL(written)
	}
	return ""
}

// addressProblem says what is wrong with an address to listen on, or "".
func addressProblem(addr, written string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || !isPort(port, false) || strings.ContainsAny(host, " /@") {
		return "expected an address such as 127.0.0.1:9095 or :9095, got " + quote(written)
	}
	return ""
}

// isPort says whether text is a port number. Port 0 takes any free port.
func isPort(s string, optional bool) bool {
	if s == "" {
		return optional
	}
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}
