package archcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
)

// Clients are the packages that can reach a system, written as [Reach] takes them: a package that only thinks brings none of them along. What
// parses addresses (net, net/url) is not among them, since the policy does that too.
func Clients() []string {
	return []string{"net/http/...", "net/rpc/...", "net/smtp", "crypto/tls", "os/exec", "plugin", "database/sql/...",
		"github.com/jackc/...", "github.com/nats-io/...", "github.com/redis/...", "google.golang.org/grpc/...",
		"internal/postgres/...", "internal/haproxy/...", "internal/pgbouncer/...", "internal/sessions/redis/...",
		"internal/sessions/postgres/...", "internal/sessions/httpapi/..."}
}

// Reach says which of the packages named a package brings along, however far away: one line for each, with a shortest way to it. It is nil if
// there are none. The package is that of a folder; what only its tests import does not count, and neither does what another system or
// a build tag would bring.
//
// The names are import paths, or folders of the package's own module; with "/..." everything below is meant too. A name that fits no package
// is no error, so one that is spelled wrong forbids nothing. Reach asks the go command, and fails where it is not installed or where a
// package cannot be found, since something that is not known might bring anything.
func Reach(ctx context.Context, folder string, named ...string) ([]string, error) {
	packages, err := brought(ctx, folder)
	if err != nil {
		return nil, fmt.Errorf("list what %s brings along: %w", folder, err)
	}
	root := packages[len(packages)-1] // go list -deps names those that are imported before those that import them
	if root.Module == nil {
		return nil, fmt.Errorf("list what %s brings along: it belongs to no module", folder)
	}
	ways := waysFrom(root, packages)
	var found []string
	for _, p := range packages {
		name := p.ImportPath
		own, ours := strings.CutPrefix(name, root.Module.Path+"/")
		if slices.ContainsFunc(named, func(n string) bool { return fits(n, name) || ours && fits(n, own) }) && p.ImportPath != root.ImportPath {
			found = append(found, strings.Join(ways[name], " → "))
		}
	}
	slices.Sort(found)
	return found, nil
}

// listed is what go list says about a package.
type listed struct {
	ImportPath string
	Imports    []string
	Module     *struct{ Path string }
	Error      *struct{ Err string }
	DepsErrors []*struct{ Err string }
}

// brought are the package of a folder and all that it imports, at any distance, itself last.
func brought(ctx context.Context, folder string) ([]listed, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-json=ImportPath,Imports,Module,Error,DepsErrors", ".")
	cmd.Dir = folder
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, strings.TrimSpace(said.String()))
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		if p.Error != nil {
			return nil, errors.New(p.Error.Err)
		}
		if len(p.DepsErrors) > 0 {
			return nil, errors.New(p.DepsErrors[0].Err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no package")
	}
	return all, nil
}

// waysFrom is a shortest way from the root to each package, both ends included.
func waysFrom(root listed, packages []listed) map[string][]string {
	imports := make(map[string][]string, len(packages))
	for _, p := range packages {
		imports[p.ImportPath] = p.Imports
	}
	ways := map[string][]string{root.ImportPath: {root.ImportPath}}
	for next := []string{root.ImportPath}; len(next) > 0; next = next[1:] {
		for _, to := range imports[next[0]] {
			if _, known := ways[to]; !known {
				ways[to] = append(slices.Clone(ways[next[0]]), to)
				next = append(next, to)
			}
		}
	}
	return ways
}
