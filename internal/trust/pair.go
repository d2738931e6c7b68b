package trust

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Every is how often files are looked at again at most. Looking costs two calls of the system.
const Every = 5 * time.Second

// pair is a certificate with its private key, as their files have them now. Its methods may be called from any goroutine.
type pair struct {
	// what is the policy's section, such as "server.tls".
	what, cert, key string
	now             func() time.Time
	log             zerolog.Logger

	mu sync.Mutex
	// The rest is guarded by mu. current is what works, and of are the files that it was read from.
	current *tls.Certificate
	of      stamp
	// failed says that the last look found files that cannot be used, and bad which; the zero stamp is one that is away.
	failed bool
	bad    stamp
	looked time.Time
}

// stamp tells two states of the files apart. A link that is pointed elsewhere counts as well, since it is what it points to that is asked.
type stamp struct {
	cert, key file
}

type file struct {
	at   time.Time
	size int64
}

// newPair reads the files, which must be good.
func newPair(what, cert, key string, now func() time.Time, log zerolog.Logger) (*pair, error) {
	p := &pair{what: what, cert: cert, key: key, now: now, log: log, looked: now()}
	// The stamp is taken before the files are read: a change in between is seen as one at the next look.
	of, err := p.stamp()
	if err != nil {
		return nil, err
	}
	loaded, err := p.load()
	if err != nil {
		return nil, err
	}
	p.current, p.of = loaded, of
	return p, nil
}

// certificate is the newest one that works.
func (p *pair) certificate() *tls.Certificate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); now.Sub(p.looked) >= Every {
		p.looked = now
		p.look()
	}
	return p.current
}

// look reads the files again if they changed. mu is held.
func (p *pair) look() {
	found, err := p.stamp()
	if err == nil && found == p.of {
		p.failed = false
		return
	}
	if p.failed && found == p.bad {
		return // it is said already
	}
	var loaded *tls.Certificate
	if err == nil {
		loaded, err = p.load()
	}
	if err != nil {
		p.failed, p.bad = true, found
		p.log.Warn().Err(err).Msg("the certificate's files changed and cannot be used; the old certificate is kept")
		return
	}
	p.current, p.of, p.failed = loaded, found, false
	p.log.Info().Str("section", p.what).Time("not_after", loaded.Leaf.NotAfter).Msg("a new certificate is in use")
}

// stamp looks at both files, without reading them.
func (p *pair) stamp() (stamp, error) {
	cert, err := stampOf(p.what+".cert_file", p.cert)
	if err != nil {
		return stamp{}, err
	}
	key, err := stampOf(p.what+".key_file", p.key)
	if err != nil {
		return stamp{}, err
	}
	return stamp{cert, key}, nil
}

func stampOf(key, path string) (file, error) {
	info, err := os.Stat(path)
	if err != nil {
		return file{}, fmt.Errorf("read %s: %w", key, err)
	}
	return file{info.ModTime(), info.Size()}, nil
}

// load reads both files. What it says of them holds nothing that is in them.
func (p *pair) load() (*tls.Certificate, error) {
	loaded, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err == nil {
		return &loaded, nil
	}
	if lost, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("read %s.cert_file and key_file: %w", p.what, lost)
	}
	return nil, fmt.Errorf("load the certificate of %s.cert_file %s with the key of key_file %s: %w", p.what, p.cert, p.key, err)
}
