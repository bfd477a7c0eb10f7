// SPDX-License-Identifier: Apache-2.0

package distro_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tags and types of a header that the tests write.
const (
	tagName, tagVersion, tagRelease, tagEpoch, tagStates = 1000, 1001, 1002, 1003, 1029
	tagDirIndexes, tagBaseNames, tagDirNames             = 1116, 1117, 1118

	typeChar, typeInt32, typeString, typeStrings = 1, 4, 6, 8
)

// header writes what rpm keeps of a package. Files that begin with "!" are not
// installed.
func header(name, version, release string, epoch int, files ...string) []byte {
	var index, data bytes.Buffer
	entries := 0
	add := func(tag, kind, count int, value []byte) {
		for kind == typeInt32 && data.Len()%4 != 0 {
			data.WriteByte(0)
		}
		for _, n := range []int{tag, kind, data.Len(), count} {
			index.Write(binary.BigEndian.AppendUint32(nil, uint32(n))) //nolint:gosec // small
		}
		data.Write(value)
		entries++
	}
	var bases, dirs, states, indexes []byte
	for i, f := range files {
		f, gone := strings.CutPrefix(f, "!")
		states = append(states, map[bool]byte{true: 2}[gone])
		bases = append(append(bases, filepath.Base(f)...), 0)
		dirs = append(append(dirs, filepath.Dir(f)+"/"...), 0)
		indexes = binary.BigEndian.AppendUint32(indexes, uint32(i)) //nolint:gosec // small
	}
	add(tagName, typeString, 1, []byte(name+"\x00"))
	add(tagVersion, typeString, 1, []byte(version+"\x00"))
	add(tagRelease, typeString, 1, []byte(release+"\x00"))
	if epoch >= 0 {
		add(tagEpoch, typeInt32, 1, binary.BigEndian.AppendUint32(nil, uint32(epoch))) //nolint:gosec // small
	}
	add(tagStates, typeChar, len(files), states)
	add(tagDirIndexes, typeInt32, len(files), indexes)
	add(tagBaseNames, typeStrings, len(files), bases)
	add(tagDirNames, typeStrings, len(files), dirs)
	b := binary.BigEndian.AppendUint32(nil, uint32(entries)) //nolint:gosec // small
	b = binary.BigEndian.AppendUint32(b, uint32(data.Len())) //nolint:gosec // small
	return append(append(b, index.Bytes()...), data.Bytes()...)
}

// headers are the packages that the tests of every format hold, and want who owns
// what then.
func headers() [][]byte {
	many := make([]string, 3000)
	for i := range many {
		many[i] = fmt.Sprintf("/usr/share/many/file-number-%d", i)
	}
	return [][]byte{
		header("cosign", "2.2.3", "1.fc39", 1, append(many, "/usr/bin/cosign")...),
		header("gitsign", "0.13.0", "1.el9", -1, "/usr/bin/gitsign", "!/usr/bin/not-installed"),
		header("small", "1", "1", 0, "/bin/small"),
	}
}

var wantOfRPM = map[string]string{
	"/usr/bin/cosign":                    "rpm cosign 1:2.2.3-1.fc39",
	"/usr/bin/gitsign":                   "rpm gitsign 0.13.0-1.el9",
	"/usr/bin/small":                     "rpm small 0:1-1",
	"/usr/share/many/file-number-2999":   "rpm cosign 1:2.2.3-1.fc39",
	"/usr/bin/not-installed":             "",
	"/usr/bin/other":                     "",
	"/usr/share/elsewhere/file-number-1": "",
}

// rpmTree is a host with these files and a database at that path.
func rpmTree(t *testing.T, database string) string {
	t.Helper()
	files := map[string]string{"bin": "-> usr/bin"}
	for path := range wantOfRPM {
		files[path[1:]] = "x"
	}
	root := tree(t, files)
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(database)), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

// ndb writes rpm's own format: a head, slots, and the headers behind them.
func ndb(headers [][]byte) []byte {
	const page = 4096
	file := make([]byte, page)
	copy(file, "RpmP")
	binary.LittleEndian.PutUint32(file[12:], 1)
	for i := 32; i < page; i += 16 {
		copy(file[i:], "Slot")
	}
	for i, h := range headers {
		slot, id := file[48+16*i:], uint32(i+1) //nolint:gosec // small; the first slot stays free
		binary.LittleEndian.PutUint32(slot[4:], id)
		binary.LittleEndian.PutUint32(slot[8:], uint32(len(file)/16)) //nolint:gosec // small
		file = append(file, "BlbS"...)
		for _, n := range []uint32{id, 0, uint32(len(h))} { //nolint:gosec // small
			file = binary.LittleEndian.AppendUint32(file, n)
		}
		file = append(file, h...)
		file = append(file, make([]byte, 16-len(file)%16)...)
	}
	return file
}

func TestNDB(t *testing.T) {
	for _, at := range []string{"usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/Packages.db"} {
		root := rpmTree(t, at)
		write(t, root, at, string(ndb(headers())))
		wantOwners(t, root, wantOfRPM)
	}
}

// SUSE's /var/lib/rpm is a link: one database, read once.
func TestTheDatabaseIsALink(t *testing.T) {
	root := rpmTree(t, "usr/lib/sysimage/rpm/Packages.db")
	write(t, root, "usr/lib/sysimage/rpm/Packages.db", string(ndb(headers())))
	write(t, root, "var/lib/rpm", "-> ../../usr/lib/sysimage/rpm")
	wantOwners(t, root, wantOfRPM)
}

// run runs a tool on this machine, and skips the test loudly where there is none.
func run(t *testing.T, stdin string, names []string, args ...string) string {
	t.Helper()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		cmd := exec.Command(path, args...) //nolint:gosec // a tool of the test's choice
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	t.Skipf("no %s on this machine: what it writes is not read here", strings.Join(names, " or "))
	return ""
}

func TestBerkeleyDB(t *testing.T) {
	for _, page := range []int{512, 4096, 65536} { // 512 and 4096: on chains of pages; 65536: some within a page
		for _, order := range []string{"1234", "4321"} { // of an Intel machine, and of an s390x
			const at = "var/lib/rpm/Packages"
			root := rpmTree(t, at)
			dump := fmt.Sprintf("VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder=%s\ndb_pagesize=%d\nHEADER=END\n 00000000\n 04000000\n", order, page)
			for i, h := range headers() {
				dump += fmt.Sprintf(" %08x\n %x\n", (i+1)<<24, h)
			}
			run(t, dump+"DATA=END\n", []string{"db5.3_load", "db_load"}, filepath.Join(root, at))
			t.Run(fmt.Sprint(page, order), func(t *testing.T) { wantOwners(t, root, wantOfRPM) })
		}
	}
}

// sqlDump are the statements that make rpm's table with these headers.
func sqlDump(headers [][]byte) string {
	dump := "CREATE TABLE Other (x TEXT);\nCREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);\nCREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER);\n"
	for _, h := range headers {
		dump += fmt.Sprintf("INSERT INTO Packages (blob) VALUES (X'%x');\n", h)
	}
	return dump
}

func TestSQLite(t *testing.T) {
	const at = "var/lib/rpm/rpmdb.sqlite"
	for _, page := range []int{512, 4096, 65536} {
		root := rpmTree(t, at)
		dump := fmt.Sprintf("PRAGMA page_size=%d;\n", page) + sqlDump(headers())
		// So many rows that the table's tree has inner pages.
		dump += strings.Repeat("INSERT INTO Packages (blob) SELECT blob FROM Packages WHERE length(blob) < 1000;\n", 10)
		dump += fmt.Sprintf("INSERT INTO Packages (blob) VALUES (X'%x');\n", header("last", "1", "1", -1, "/usr/bin/last"))
		run(t, dump, []string{"sqlite3"}, filepath.Join(root, at))
		write(t, root, "usr/bin/last", "x")
		want := maps.Clone(wantOfRPM)
		want["/usr/bin/last"] = "rpm last 1-1"
		t.Run(fmt.Sprint(page), func(t *testing.T) { wantOwners(t, root, want) })
	}
}

// What rpm has committed and SQLite not yet moved into the database file counts.
func TestSQLiteWriteAheadLog(t *testing.T) {
	const at = "var/lib/rpm/rpmdb.sqlite"
	root := rpmTree(t, at)
	file := filepath.Join(root, at)
	run(t, "PRAGMA journal_mode=WAL;\n"+sqlDump(headers()), []string{"sqlite3"}, file)
	run(t, ".dbconfig no_ckpt_on_close on\nPRAGMA wal_autocheckpoint=0;\nDELETE FROM Packages WHERE hnum = 2;\n"+
		fmt.Sprintf("UPDATE Packages SET blob = X'%x' WHERE hnum = 3;\n", header("larger", "2", "1", -1, "/usr/bin/small", "/usr/bin/other")),
		[]string{"sqlite3"}, file)
	if info, err := os.Stat(file + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("there is no log: %v", err)
	}
	wantOwners(t, root, map[string]string{
		"/usr/bin/gitsign": "", "/usr/bin/other": "rpm larger 2-1", "/usr/bin/small": "rpm larger 2-1", "/usr/bin/cosign": "rpm cosign 1:2.2.3-1.fc39",
	})
	// A log that was cut off, or is of another state, counts as far as it is whole.
	log, err := os.ReadFile(file + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for name, spoilt := range map[string][]byte{
		"damaged in its first page": append(append(bytes.Clone(log[:200]), log[200]^1), log[201:]...),
		"cut off":                   log[:len(log)-1], "with another salt": append(append(bytes.Clone(log[:16]), "12345678"...), log[24:]...), "empty": nil,
	} {
		if err := os.WriteFile(file+"-wal", spoilt, 0o644); err != nil {
			t.Fatal(err)
		}
		owners, errs := open(t, root).Owners(t.Context(), []string{"/usr/bin/cosign", "/usr/bin/small"})
		if len(errs) != 0 || line(owners["/usr/bin/cosign"]) != wantOfRPM["/usr/bin/cosign"] || name != "cut off" && line(owners["/usr/bin/small"]) != wantOfRPM["/usr/bin/small"] {
			t.Errorf("a log that is %s: %v, %v", name, owners, errs)
		}
	}
}

func TestADamagedRPMDatabaseIsSaid(t *testing.T) {
	good := ndb(headers())
	for name, spoilt := range map[string][]byte{
		"cut off":        good[:len(good)-200],
		"of zeros":       make([]byte, 4096),
		"of another":     []byte("SQLite format 2\x00"),
		"with bad slots": append(append(bytes.Clone(good[:64]), "xxxx"...), good[68:]...),
	} {
		const at = "var/lib/rpm/Packages.db"
		root := rpmTree(t, at)
		write(t, root, at, string(spoilt))
		_, errs := open(t, root).Owners(t.Context(), []string{"/usr/bin/small"})
		if len(errs) != 1 {
			t.Errorf("a database %s: %v, want one error", name, errs)
		}
	}
}
