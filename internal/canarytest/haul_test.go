package canarytest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// haul is everything that came out, by where.
type haul struct {
	mu    sync.Mutex // guards all
	all   []heard
	bytes int
}

func (h *haul) add(where string, text []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, heard{where, text})
	h.bytes += len(text)
}

// folder adds everything below a folder: the names of files and what is in them. What ends while it is read is left out.
func (h *haul) folder(t *testing.T, where, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		h.add(where+": a name", []byte(name))
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		h.add(where+": "+name, text)
		return err
	})
	if err != nil {
		t.Errorf("look into %s: %v", where, err)
	}
}

// packed adds what is in a backup.
func (h *haul) packed(t *testing.T, where, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Errorf("open %s: %v", where, err)
		return
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Errorf("unpack %s: %v", where, err)
		return
	}
	for files := tar.NewReader(zip); ; {
		head, err := files.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("unpack %s: %v", where, err)
			return
		}
		text, err := io.ReadAll(files)
		if err != nil {
			t.Errorf("unpack %s: %v", where, err)
		}
		h.add(where+": "+head.Name, text)
	}
}

// requireClean fails for every canary that is where it does not belong. said maps each that is where it belongs to how often.
func (h *haul) requireClean(t *testing.T, canaries []canary, allowed []allowance) map[allowance]int {
	t.Helper()
	s := newSieve(canaries)
	said := map[allowance]int{}
	leaks := map[string]int{}
	for _, one := range h.all {
		for _, n := range s.find(one.text) {
			i := slices.IndexFunc(allowed, func(a allowance) bool { return a.canary == n.canary && a.where == one.where })
			if i >= 0 {
				said[allowed[i]]++
				continue
			}
			key := fmt.Sprintf("%s has the secret %s, %s: …%s…", one.where, n.canary, n.as, around(one.text, n))
			if leaks[key]++; leaks[key] == 1 && len(leaks) <= 60 {
				t.Error(key)
			}
		}
	}
	t.Logf("looked for %d canaries in %d places, %d bytes", len(canaries), len(h.all), h.bytes)
	return said
}

// around is what stands before a canary, so that it can be seen who wrote it.
func around(text []byte, n needle) string {
	i := bytes.Index(text, n.text)
	if i < 0 {
		i = bytes.Index(bytes.ToLower(text), n.text)
	}
	from := max(0, i-120)
	return fmt.Sprintf("%q", text[from:max(from, i)])
}
