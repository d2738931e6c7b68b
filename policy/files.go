package policy

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSecret is the largest secret file, in bytes.
const maxSecret = 64 << 10

// minSigning is the fewest bytes that a signing key may have.
const minSigning = 24

// secretFiles reads what an x_file key names into its sibling x. A single secret may come from one place only; the
// secrets of a list of files are added to the list.
func (d *document) secretFiles(v reflect.Value, f field, above string) {
	path := join(above, f.name)
	files, target := v.Field(f.index), v.FieldByName(f.rule.into)
	if files.Kind() == reflect.Slice {
		for i := range files.Len() {
			if s, ok := d.secretFile(files.Index(i), at(path, i), f.rule); ok {
				target.Set(reflect.Append(target, reflect.ValueOf(s)))
			}
		}
		return
	}
	if !d.has(path) || files.String() == "" {
		return
	}
	if twin := strings.TrimSuffix(f.name, "_file"); d.has(join(above, twin)) {
		d.unreadable(d.find(path), path, "is set together with %s: keep one of the two", twin)
		return
	}
	if s, ok := d.secretFile(files, path, f.rule); ok {
		target.SetString(s.Reveal())
	}
}

// secretFile reads one secret. Nothing of the file, nor its name (which may be a secret in the wrong place), is ever said.
func (d *document) secretFile(file reflect.Value, path string, r rule) (Secret, bool) {
	if !d.sound(path) || file.String() == "" {
		return "", false
	}
	full, said := d.regular(file.String())
	if said != "" {
		d.unreadable(d.find(path), path, "%s", said)
		return "", false
	}
	data, err := os.ReadFile(full)
	s := Secret(bytes.TrimRight(data, "\r\n"))
	switch {
	case err != nil:
		said = "cannot be read: " + cause(err)
	case len(data) > maxSecret:
		said = "names a file of more than " + Bytes(maxSecret).String() + ": this is not a secret"
	case s == "":
		said = "names an empty file: write the secret into it"
	default:
		said = secretProblem(s, r)
	}
	if said != "" {
		d.unreadable(d.find(path), path, "%s", said)
		return "", false
	}
	file.SetString(full)
	return s, true
}

// regular is the full path of a file that must exist, and what is wrong with it or "". Anything but a regular file is
// refused, since reading a device or a pipe may never end.
func (d *document) regular(name string) (full, said string) {
	full = name
	if !filepath.IsAbs(name) {
		full = filepath.Join(d.dir, name)
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist) && full != name:
		return full, "names a file that does not exist (looked for from the folder of this policy): create it, or correct the path"
	case errors.Is(err, fs.ErrNotExist):
		return full, "names a file that does not exist: create it, or correct the path"
	case err != nil:
		return full, "names a file that cannot be read: " + cause(err)
	case !info.Mode().IsRegular():
		return full, "names something that is not a file: correct the path"
	case info.Size() == 0:
		return full, "names an empty file: fill it, or correct the path"
	}
	return full, ""
}

// cause is why a file operation did not work, without the file's name.
func cause(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return "it is not a usable path"
}

// secretProblem says what is wrong with a secret, or "", and nothing of the secret.
func secretProblem(s Secret, r rule) string {
	if s == "" {
		return "is empty: write a value, or take the key out"
	}
	if r.is == "sha256" {
		return digestProblem(s)
	}
	if r.minLen == "" {
		return ""
	}
	if least, _ := strconv.Atoi(r.minLen); utf8.RuneCountInString(s.Reveal()) < least {
		return "must have at least " + r.minLen + " characters: generate one, for example with: openssl rand -hex 24"
	}
	if strings.ContainsFunc(s.Reveal(), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return "has a space or a line break in it, which no token can have: take it out"
	}
	return ""
}

// signingProblem says what is wrong with the signing key of an outcome webhook, or "".
func signingProblem(s Secret) string {
	text, coded := strings.CutPrefix(s.Reveal(), "whsec_")
	if !coded {
		if len(text) < minSigning {
			return "must have at least 24 bytes: generate one, for example with: openssl rand -hex 24"
		}
		return ""
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "begins with whsec_ and does not go on in base64: write whsec_ and the output of: openssl rand -base64 24"
	}
	if len(key) < minSigning {
		return "must have at least 24 bytes after whsec_: write whsec_ and the output of: openssl rand -base64 24"
	}
	return ""
}
