package deadman

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// save writes what is armed so that a crash of this process or of the machine finds it, the old or the new, whole.
func save(path string, a Armed) error {
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	next := path + ".next"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return flush(path)
}

// load is what was armed; false if nothing was. What cannot be read is an error: it may have been something.
func load(path string) (Armed, bool, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Armed{}, false, nil
	}
	var a Armed
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err == nil && (a.Action == "" || a.Database == "") {
		err = errors.New("it names no action or no database")
	}
	if err != nil {
		return Armed{}, false, fmt.Errorf("read state, which says what is to be resumed: look whether a database is paused, and remove %s: %w", path, err)
	}
	return a, true, nil
}

// forget says that nothing is armed any more.
func forget(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear state: %w", err)
	}
	return flush(path)
}

// flush makes the folder's entry durable.
func flush(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("flush folder of state: %w", err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("flush folder of state: %w", err)
	}
	return nil
}
