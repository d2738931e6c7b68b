package deploytest_test

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// binaryVariable holds the path of the program that the Dockerfile's command built, which all tests here run.
const binaryVariable = "FIREBREAK_DEPLOYTEST_BINARY"

// imageStamp is what the image is told of itself here.
const imageStamp = "v0.0.1-deploytest,0123abc,2026-01-31T12:00:00Z,false"

// TestMain builds the program once, as the image does.
func TestMain(m *testing.M) { os.Exit(withBinary(m)) }

func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "deploytest")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "firebreak")
	if err := buildAsImage(binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := os.Setenv(binaryVariable, binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// buildAsImage runs the one go build of the Dockerfile, with another output.
func buildAsImage(output string) error {
	text, err := os.ReadFile("../docker/Dockerfile")
	if err != nil {
		return err
	}
	m := regexp.MustCompile(`(?m)^\s+((?:\w+=\S+ )*)go build (.*) -o /out/firebreak (\S+)$`).FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("the Dockerfile has no line with go build … -o /out/firebreak")
	}
	cmd := exec.Command("sh", "-c", fmt.Sprintf("%s go build %s -o '%s' %s", m[1], m[2], output, m[3]))
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "STAMP="+imageStamp)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build as the Dockerfile does: %w\n%s", err, out)
	}
	return nil
}

// What the Dockerfile builds runs where there is nothing else, and nothing of the machine that built it is in it.
func TestImageProgramNeedsNothing(t *testing.T) {
	t.Parallel()
	binary := os.Getenv(binaryVariable)
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	libraries, err := f.ImportedLibraries()
	if err != nil || len(libraries) > 0 {
		t.Errorf("it needs libraries: %v, %v", libraries, err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a loader")
		}
	}
	if said := runs(t, binary, "version"); !strings.Contains(said, "firebreak v0.0.1-deploytest ") || !strings.Contains(said, "commit 0123abc") {
		t.Errorf("it was told %s, and says %q", imageStamp, said)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(program), here+"/") {
		t.Errorf("it holds the path of the folder that it was built in, %s", here)
	}
}

// The image is what its comments say: from nothing, by nobody, with every command there is.
func TestImage(t *testing.T) {
	t.Parallel()
	text := read(t, "docker/Dockerfile")
	_, final, found := strings.Cut(text, "\nFROM scratch\n")
	if !found {
		t.Fatal("the image is not made from scratch")
	}
	if strings.Contains(final, "\nRUN ") {
		t.Error("there is nothing in the image that could run something while it is built")
	}
	for _, want := range []string{"\nUSER 65532:65532\n", "\nVOLUME /var/lib/firebreak\n", "\nSTOPSIGNAL SIGTERM\n",
		"COPY --from=build --chown=65532:65532 /out/data /var/lib/firebreak\n"} {
		if !strings.Contains(final, want) {
			t.Errorf("the image does not say %q", strings.TrimSpace(want))
		}
	}
	minor := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readRoot(t, "go.mod"))[1]
	if !strings.Contains(text, "\nARG GO_VERSION="+minor+"\n") {
		t.Errorf("the image is not built with Go %s, which go.mod wants", minor)
	}
	for _, command := range regexp.MustCompile(`(?m)(?:CMD|ENTRYPOINT) \[(.*)\]$`).FindAllStringSubmatch(final, -1) {
		words := strings.Split(strings.NewReplacer(`"`, "", " ", "").Replace(command[1]), ",")
		words = slices.DeleteFunc(words, func(w string) bool { return w == "/usr/local/bin/firebreak" })
		if len(words) > 0 {
			runs(t, os.Getenv(binaryVariable), words[0], "--help")
		}
	}
}

// What .dockerignore leaves out is not needed to build: neither a package nor what is embedded in one.
func TestImageContextIsWhole(t *testing.T) {
	t.Parallel()
	var ignored []string
	for line := range strings.Lines(read(t, "docker/Dockerfile.dockerignore")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && line[0] != '*' {
			ignored = append(ignored, line+"/")
		}
	}
	if len(ignored) == 0 {
		t.Fatal("nothing is left out")
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if .Module}}{{if .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}
{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}
{{end}}{{end}}{{end}}`, "./cmd/firebreak")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) < 100 {
		t.Fatalf("only %d files were found", len(files))
	}
	for _, file := range files {
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range ignored {
			if strings.HasPrefix(name, folder) || strings.Contains(name, "testdata/") {
				t.Errorf("%s is needed, and left out", name)
			}
		}
	}
}

// readRoot is a file of the project's root.
func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
