package testbed

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// postgresUser is whom PostgreSQL and what belongs to it run as when we are root: they refuse to be root. Debian's packages make it.
const postgresUser = "postgres"

// credentialOf is a system user with all of its groups, and nil where we stay who we are: without a name, and where we are not root.
func credentialOf(name string) (*syscall.Credential, error) {
	if name == "" || os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("find the user to run as: %w", err)
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("list the groups of %s: %w", name, err)
	}
	var c syscall.Credential
	ids := make([]uint32, 0, len(groups)+2)
	for _, text := range append([]string{u.Uid, u.Gid}, groups...) {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("read the ids of %s: %w", name, err)
		}
		ids = append(ids, uint32(id))
	}
	c.Uid, c.Gid, c.Groups = ids[0], ids[1], ids[2:]
	return &c, nil
}

// Folder is a folder of a user's own, for a server that runs as that user, see [Command]. A test's own temporary folder will not do:
// the folders above it let nobody else in. Its path is short, since that of a Unix socket must be. It is removed when the test ends,
// after the servers that are started after it; keep nothing in it that others should not read.
func Folder(t TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "firebreak-")
	if err != nil {
		t.Fatalf("testbed: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Logf("testbed: remove the folder of a server: %v", err)
		}
	})
	if err := errors.Join(os.Chmod(dir, 0o755), give(dir, name)); err != nil {
		t.Fatalf("testbed: %v", err)
	}
	return dir
}

// give makes a file or folder the user's, where we are root.
func give(path, name string) error {
	c, err := credentialOf(name)
	if err != nil || c == nil {
		return err
	}
	return os.Chown(path, int(c.Uid), int(c.Gid))
}

// writeFor writes a file that only one user can read. What is there keeps its owner, as far as there is something.
func writeFor(name, path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	return give(path, name)
}
