// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tufkeeper/tufkeeper/agent/health"
	"github.com/tufkeeper/tufkeeper/agent/status"
)

func TestJSON(t *testing.T) {
	data, err := report(ill(t)).JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report-json", string(data))
	empty, err := status.Build(health.Facts{At: looked}, nil, nil, status.About{}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "empty-json", string(empty))
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status.json")
	for _, f := range []health.Facts{ill(t), well(t)} {
		want := report(f)
		if err := status.Write(path, want); err != nil {
			t.Fatal(err)
		}
		got, err := status.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		wantJSON, _ := want.JSON()
		gotJSON, _ := got.JSON()
		if string(wantJSON) != string(gotJSON) {
			t.Errorf("got\n%s\nwant\n%s", gotJSON, wantJSON)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o640 {
		t.Errorf("got mode %v, want 0640", got)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("got %v %v, want the one file", files, err)
	}
}

// A reader that has the file open, or that comes at any moment, sees one whole
// report: the file is replaced, never written in place.
// Whoever looks at the file looks at it in a terminal.
func TestTheFileMovesNoTerminal(t *testing.T) {
	const name = "/home/eve/\u009b2J\u202egpj\x7f"
	path := filepath.Join(t.TempDir(), "status.json")
	if err := status.Write(path, report(health.Facts{At: looked, Unseen: []string{name}})); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.ContainsAny(string(data), "\u009b\u202e\x7f") || !strings.Contains(string(data), `\u009b2J\u202egpj\u007f`) {
		t.Errorf("wrote %q, %v", data, err)
	}
	if got, err := status.Read(path); err != nil || !slices.Contains(got.Unseen, name) {
		t.Errorf("read %q, %v", got.Unseen, err)
	}
}

func TestAReaderNeverSeesHalfAReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status.json")
	if err := status.Write(path, report(ill(t))); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := status.Write(path, report(well(t))); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if os.SameFile(before, after) {
		t.Error("the file was written in place")
	}
}

func TestWriteNamesWhatItCouldNotWrite(t *testing.T) {
	err := status.Write(filepath.Join(t.TempDir(), "absent", "status.json"), report(well(t)))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestReadRefuses(t *testing.T) {
	whole, err := report(well(t)).JSON()
	if err != nil {
		t.Fatal(err)
	}
	edit := func(from, to string) []byte {
		if !strings.Contains(string(whole), from) {
			t.Fatalf("there is no %q to edit", from)
		}
		return []byte(strings.Replace(string(whole), from, to, 1))
	}
	for name, data := range map[string][]byte{
		"an empty file":       {},
		"half a report":       whole[:len(whole)/2],
		"null":                []byte("null"),
		"a list":              []byte("[]"),
		"a page":              []byte("<html>"),
		"another schema":      edit(`"schema": 1`, `"schema": 2`),
		"no schema":           edit(`"schema"`, `"scheme"`),
		"no time":             edit(`"generated"`, `"made"`),
		"a negative interval": edit(`"interval_seconds": 14400`, `"interval_seconds": -1`),
		"an endless interval": edit(`"interval_seconds": 14400`, `"interval_seconds": 9223372036854775807`),
		"a strange severity":  edit(`"problems": []`, `"problems": [{"code": "x", "severity": "splendid"}]`),
		"a problem unnamed":   edit(`"problems": []`, `"problems": [{"severity": "warning"}]`),
		"two reports":         slices.Concat(whole, whole),
		"a giant":             []byte(strings.Repeat(" ", status.MaxSize) + string(whole)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "status.json")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if r, err := status.Read(path); err == nil {
				t.Errorf("got %+v", r)
			} else if name == "another schema" && !errors.Is(err, status.ErrSchema) {
				t.Errorf("got %v, want ErrSchema", err)
			}
		})
	}
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	go func() {
		for _, path := range []string{fifo, dir} {
			_, err := status.Read(path)
			done <- err
		}
	}()
	for range 2 {
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("got %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("reading a fifo hangs")
		}
	}
	if _, err := status.Read(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want fs.ErrNotExist", err)
	}
	if _, err := status.Read(dir + "/a\x1b[2J\nb"); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("the path is not quoted: %v", err)
	}
}

// Fields that are not known may be added by a later version within the schema.
func TestReadIgnoresWhatItDoesNotKnow(t *testing.T) {
	r, err := status.Parse([]byte(`{"schema": 1, "generated": "2026-08-21T12:00:00Z", "more": {"to": "come"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Mirrors == nil || r.Caches == nil || r.Clients == nil || r.Problems == nil || r.Unseen == nil {
		t.Errorf("a list is nil: %+v", r)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema":1,"generated":"2026-08-21T12:00:00Z","mirrors":[null],"clients":[null],"problems":[]}`))
	f.Add([]byte(`{"schema":1,"generated":"2026-08-21T12:00:00Z","interval_seconds":3,"problems":[{"code":"a","severity":"critical","summary":"\u001b"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := status.Parse(data)
		if err != nil {
			if !reflect.DeepEqual(r, status.Report{}) {
				t.Fatalf("an error and a value: %v %+v", err, r)
			}
			return
		}
		var out strings.Builder
		if code := status.Check(&out, r, reader); code < 0 || code > 3 {
			t.Fatalf("exit code %d", code)
		}
		if err := status.Text(&out, r, status.Style{Now: reader}); err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out.String(), func(c rune) bool { return c < ' ' && c != '\n' || c == 0x7f }); i >= 0 {
			t.Fatalf("a control character in %q", out.String())
		}
	})
}

var fieldRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| (.+) \\|$")

// The documentation lists every field of the JSON, and no other.
func TestFieldsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	var inDoc []string
	for _, row := range fieldRow.FindAllStringSubmatch(string(doc), -1) {
		inDoc = append(inDoc, row[1])
	}
	inCode := fields(reflect.TypeFor[status.Report](), "")
	inCode = append(append(inCode, "mended"), fields(reflect.TypeFor[[]status.Mending](), "mended")...) // of caches --mend
	for _, f := range inCode {
		if !slices.Contains(inDoc, f) {
			t.Errorf("docs/status.md does not have %s", f)
		}
	}
	for _, f := range inDoc {
		if !slices.Contains(inCode, f) {
			t.Errorf("docs/status.md has %s, which does not exist", f)
		}
	}
}

// fields are the names of what a type becomes in JSON, as `mirrors[].name`.
func fields(t reflect.Type, prefix string) []string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return nil
	case t.Kind() == reflect.Pointer:
		return fields(t.Elem(), prefix)
	case t.Kind() == reflect.Slice:
		return fields(t.Elem(), prefix+"[]")
	case t.Kind() == reflect.Map:
		return fields(t.Elem(), prefix+".*")
	case t.Kind() != reflect.Struct:
		return nil
	}
	var names []string
	for f := range t.Fields() {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-", !f.IsExported():
		case f.Anonymous && tag == "":
			names = append(names, fields(f.Type, prefix)...)
		default:
			name := strings.TrimPrefix(prefix+"."+tag, ".")
			names = append(append(names, name), fields(f.Type, name)...)
		}
	}
	return names
}

// The example of the documentation is one that Read takes, whole.
func TestTheExampleIsTrue(t *testing.T) {
	doc, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```json\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/status.md has no example")
	}
	r, err := status.Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := errors.Join(json.Unmarshal([]byte(example), &want), json.Unmarshal(again, &got)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the example lacks or adds something: written again it is\n%s", again)
	}
}
