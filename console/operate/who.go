package operate

import (
	"crypto/subtle"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/firebreak-sre/firebreak/incidents"
	"github.com/firebreak-sre/firebreak/policy"
)

// Right is one thing that somebody may do.
type Right string

// The rights, named as in the policy's server.api.operators[].may.
const (
	Read    Right = "read"    // see incidents, alerts and the state of everything
	Operate Right = "operate" // pause, resume, ack, recall, override
	Approve Right = "approve" // say yes or no to a plan
)

// Rights are those of one person. The zero value may nothing.
type Rights struct{ Read, Operate, Approve bool }

func (r Rights) has(right Right) bool {
	switch right {
	case Read:
		return r.Read
	case Operate:
		return r.Operate
	case Approve:
		return r.Approve
	}
	return false
}

// check is a refusal that says what is missing and where it comes from.
func (r Rights) check(need Right, p incidents.Person) error {
	if r.has(need) {
		return nil
	}
	words := p.String() + " may not do this: it needs the right " + string(need) + " (server.api.operators[].may in the policy)"
	if p.Via == ViaLocal && need == Approve {
		words = "a yes or no to a plan needs a name that is proved, and without a token a name is only claimed: " +
			"give the person a token in server.api.operators, with the right approve"
	}
	return &refusal{http.StatusForbidden, codeRight, words}
}

// The ways in which a person comes, as the record names them.
const (
	ViaAPI   = "api"   // with an operator's token: the name is proved
	ViaLocal = "local" // from this machine, without any: the name is claimed
)

// UserHeader carries the name that a local user claims.
const UserHeader = "X-Firebreak-User"

// unknown is who does not say a name, or one that nobody could read.
const unknown = "unknown"

// maxName bounds a claimed name, in characters.
const maxName = 64

// Identify says who asks, by the policy's server.api.
//
// With an operator's token it is the operator, by name: as sure as the token is kept. With a token of readers it is nobody in particular,
// who may read.
//
// If the policy has neither, only this machine is answered, and who can run a program on it may read and operate. The name is
// what [UserHeader] claims. Such a name is worth what a signature on a whiteboard is: it tells colleagues who it was, and proves
// nothing to anybody, so it never approves. As soon as there is one token, nobody comes in without one.
//
// From this machine means: from a loopback address, to a loopback name, and through no proxy that says so. The name is asked for
// because a browser here can be led to a name that somebody else's DNS points at this machine; a proxy because behind it
// everybody has a loopback address.
//
// certified says that the listener has demanded a client certificate of its own authority. Whoever shows one reads, also from
// elsewhere: it may be Alertmanager's, so it orders nothing.
func Identify(api policy.APIAuth, certified bool) func(*http.Request) (incidents.Person, Rights, error) {
	readers := api.Readers()
	k := keys{open: len(api.Operators) == 0 && len(readers) == 0, certified: certified}
	for _, o := range api.Operators {
		hash, ok := o.Digest()
		if !ok {
			continue // nobody can show the token of an operator who has none; a policy that was loaded has no such operator
		}
		k.operators = append(k.operators, key{hash: hash, name: o.Name, operator: o.Name,
			rights: Rights{Read: o.Can(string(Read)), Operate: o.Can(string(Operate)), Approve: o.Can(string(Approve))}})
	}
	for _, hash := range readers {
		k.readers = append(k.readers, key{hash: hash, name: "reader", rights: Rights{Read: true}})
	}
	return k.who
}

// keys are the hashes of all tokens, so that comparing tells nothing about them, not even their length.
type keys struct {
	operators, readers []key
	open, certified    bool
}

type key struct {
	hash policy.Digest
	name string
	// operator is the name of the policy that is proved; empty for readers.
	operator string
	rights   Rights
}

func (k keys) who(r *http.Request) (incidents.Person, Rights, error) {
	token, shown := bearer(r)
	if shown {
		if found := k.find(token); found != nil {
			return incidents.Person{Name: found.name, Via: ViaAPI, Operator: found.operator}, found.rights, nil
		}
	}
	switch {
	case !k.open && !shown:
		return incidents.Person{}, Rights{}, errors.New("the API wants a token: send Authorization: Bearer … (the command line: FIREBREAK_TOKEN)")
	case !k.open:
		return incidents.Person{}, Rights{}, errors.New("the token is not one of the policy's")
	}
	why := elsewhere(r)
	switch {
	case why == "":
		return incidents.Person{Name: claimed(r.Header.Get(UserHeader)), Via: ViaLocal}, Rights{Read: true, Operate: true}, nil
	case k.certified && r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return incidents.Person{Name: "holder of a certificate", Via: ViaAPI}, Rights{Read: true}, nil
	}
	return incidents.Person{}, Rights{}, errors.New("without tokens in the policy (server.api.operators) the API answers only this machine: " + why)
}

// find compares a token with every key, whichever fits, so that the time it takes tells nothing.
func (k keys) find(token string) *key {
	hash := policy.DigestOf(token)
	var found *key
	for _, list := range [][]key{k.readers, k.operators} {
		for i := range list {
			if subtle.ConstantTimeCompare(hash[:], list[i].hash[:]) == 1 {
				found = &list[i]
			}
		}
	}
	return found
}

// bearer is the request's token. An empty one is none that anybody has.
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

// elsewhere says why a request is not one of this machine; "" if it is.
func elsewhere(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return "this request comes from another one"
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return "this request came through a proxy (" + name + ")"
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return ""
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil || !ip.Unmap().IsLoopback() {
		return "this request names another host; use 127.0.0.1 or localhost"
	}
	return ""
}

// claimed is a name as somebody wrote it, on one short line without what steers a terminal or turns the direction of writing.
func claimed(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	name = strings.Join(strings.Fields(name), " ")
	if runes := []rune(name); len(runes) > maxName {
		name = strings.TrimSpace(string(runes[:maxName]))
	}
	if name == "" {
		return unknown
	}
	return name
}
