package policy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// checkTrust looks for half a pair.
func (d *document) checkTrust(t Trust) { d.checkPair("tls", t.CertFile, t.KeyFile) }

// checkTLS looks for files of a listener without their other half.
func (d *document) checkTLS(path string, t TLS) {
	d.checkPair(path, t.CertFile, t.KeyFile)
	if d.sound(path) && t.ClientCAFile != "" && t.CertFile == "" && t.KeyFile == "" {
		d.wrong(path+".cert_file", "is missing: client_ca_file needs TLS, write cert_file and key_file too")
	}
}

// checkPair looks for a certificate without its key, and the other way round.
func (d *document) checkPair(path, cert, key string) {
	switch {
	case !d.sound(path):
	case cert != "" && key == "":
		d.wrong(path+".key_file", "is missing: cert_file needs it, write the path of its private key")
	case key != "" && cert == "":
		d.wrong(path+".cert_file", "is missing: key_file needs it, write the path of its certificate")
	}
}

const exposedAdvice = "and anyone there could post alerts: set webhook.bearer_tokens, " +
	"webhook.username and password, tls.client_ca_file, or webhook.allow_anonymous: true"

const plainAdvice = "and without TLS whoever is in between reads the tokens: " +
	"set tls.cert_file and key_file, or allow_plain: true if something in front of it ends TLS"

// exposed says that other machines can reach the listener, and that nothing asks them who they are.
func (s Server) exposed() bool {
	w := s.Webhook
	guarded := len(w.BearerTokens) > 0 || len(w.BearerTokenSHA256s) > 0 || w.Username != "" || s.TLS.ClientCAFile != "" || w.AllowAnonymous
	return !isLoopback(s.Listen) && !guarded
}

// plain says that other machines can reach the listener, in the clear.
func (s Server) plain() bool {
	return !isLoopback(s.Listen) && s.TLS.CertFile == "" && !s.AllowPlain
}

// CheckListen says what is wrong with the address to listen on. A policy that was loaded is right; this is for an address that was put in its
// place afterwards.
func (s Server) CheckListen() error {
	if said := addressProblem(s.Listen, s.Listen); said != "" {
		return errors.New(said)
	}
	var problems []string
	if s.exposed() {
		problems = append(problems, exposedAdvice)
	}
	if s.plain() {
		problems = append(problems, plainAdvice)
	}
	if len(problems) > 0 {
		return fmt.Errorf("other machines can reach %s, %s", s.Listen, strings.Join(problems, "; "))
	}
	return nil
}

// checkRuntime looks at whether HAProxy's commands would go over the network in the clear: there is no login, so whoever listens in learns
// where to send their own.
func (d *document) checkRuntime(path string, pool HAProxyPool) {
	here := path + ".address"
	address, tcp := strings.CutPrefix(pool.Address, "tcp://")
	if tcp && !isLoopback(address) && !pool.AllowPlain && d.sound(here) {
		d.wrong(here, "goes to another machine in the clear: write tls://host:port (a frontend of HAProxy with TLS before its socket), "+
			"or allow_plain: true beside it if nobody else is on that network")
	}
}

// Plain are the places to which secrets or sessions go in the clear over the network, as far as the policy alone tells: for people, who may know
// better. It says them, and refuses none.
func (p Policy) Plain() []string {
	var said []string
	for i, store := range p.Sessions {
		if store.Redis != nil && store.Redis.TLS == nil && store.Redis.elsewhere() {
			said = append(said, fmt.Sprintf("sessions[%d] (%s): Redis is reached without TLS: its password and all sessions can be read on the way; set redis.tls",
				i, store.Store))
		}
	}
	for one := range strings.SplitSeq(p.Bus.URL, ",") {
		u, err := url.Parse(strings.TrimSpace(one))
		if err == nil && u.Scheme == "nats" && !isLoopbackHost(u.Hostname()) {
			said = append(said, fmt.Sprintf("bus.url: %s is encrypted only if that server demands it, which somebody in between can hide; write tls://%s to insist",
				u.Host, u.Host))
		}
	}
	return said
}

// elsewhere says whether any of the servers is on another machine.
func (r RedisSessions) elsewhere() bool {
	if !isLoopback(r.Primary) {
		return true
	}
	for _, replica := range r.Replicas {
		if !isLoopback(replica.Address) {
			return true
		}
	}
	return false
}

// isLoopback says whether an address is reached from this machine only. No host at all is every address.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && isLoopbackHost(host)
}

func isLoopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
