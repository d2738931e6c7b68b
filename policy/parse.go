package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxFile is the largest policy, in bytes. It bounds what a slip (the wrong file) can cost.
const maxFile = 4 << 20

// Load reads the policy file at path. env looks up the variables that it names (os.LookupEnv; nil knows none). Whatever
// is wrong inside of it is returned as [*Problems]; a file that cannot be read is an error of its own.
func Load(path string, env func(string) (string, bool)) (Policy, error) {
	f, err := os.Open(path)
	if err != nil {
		return Policy{}, fmt.Errorf("open policy: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	return Parse(path, data, env)
}

// Parse reads a policy from memory. name is what problems call it, and the folder of name is where the paths in it start.
// A policy without content is [Default]. Every error is [*Problems].
func Parse(name string, data []byte, env func(string) (string, bool)) (Policy, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	d := newDocument(name, filepath.Dir(name), data, env)
	var p Policy
	if root := d.compose(data); root != nil {
		d.value(root, reflect.ValueOf(&p).Elem(), spot{})
	}
	if len(d.problems.List) == 0 || len(d.at) > 0 {
		d.place(&p)
		p.fill()
		d.check(&p)
	}
	if len(d.problems.List) > 0 {
		d.problems.sort()
		return Policy{}, &d.problems
	}
	return p, nil
}

// place puts the paths that need not exist where the file means them: like every path in it, they start at its folder.
func (d *document) place(p *Policy) {
	for _, path := range []*string{&p.Bus.Data, &p.Guard.StopFile} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(d.dir, *path)
		}
	}
}

// Default is the policy without a file: it listens on 127.0.0.1:9095, every handler observes, and there are no targets.
func Default() Policy {
	var p Policy
	p.fill()
	return p
}

// compose reads YAML text into its nodes: one document or none. It is nil if there is nothing to go on with.
func (d *document) compose(data []byte) *yaml.Node {
	if len(data) > maxFile {
		d.add(mark{}, "", "is larger than %s: this is not a policy", Bytes(maxFile))
		return nil
	}
	if bad := invalidUTF8(data); bad >= 0 {
		line := 1 + bytes.Count(data[:bad], []byte("\n"))
		col := 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:bad], '\n')+1:bad])
		d.add(mark{line, col}, "", "this is not UTF-8: write the file in UTF-8")
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		d.syntax(err)
		return nil
	}
	var first, second yaml.Node
	if err := loader.Load(&first); err != nil {
		if !errors.Is(err, io.EOF) {
			d.syntax(err)
		}
		return nil
	}
	if err := loader.Load(&second); err == nil {
		d.add(markOf(&second), "", "a second document begins here: a policy is one document, take the '---' out")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
		return nil
	}
	if len(first.Content) != 1 {
		return nil
	}
	return first.Content[0]
}

// invalidUTF8 is where data stops being UTF-8, or -1.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
