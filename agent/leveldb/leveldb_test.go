// SPDX-License-Identifier: Apache-2.0

package leveldb_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	goleveldb "github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"

	"github.com/tufkeeper/tufkeeper/agent/leveldb"
)

// documents are the keys of a client's cache.
var documents = []string{"root.json", "timestamp.json", "snapshot.json", "targets.json"}

func TestMain(m *testing.M) {
	if path := os.Getenv("LEVELDB_TEST_OWNER"); path != "" {
		own(path)
		return
	}
	m.Run()
}

// own is an owner at work: it opens the database, writes all documents with one
// rising number and closes it again, for ever, and says what it has written.
func own(path string) {
	for n := 1; ; n++ {
		db, err := goleveldb.OpenFile(path, &opt.Options{WriteBuffer: 16 << 10})
		if err != nil {
			panic(err)
		}
		for range 5 {
			n++
			batch := new(goleveldb.Batch)
			for _, key := range documents {
				batch.Put([]byte(key), fmt.Appendf(nil, "%d %s", n, strings.Repeat("x", 2000)))
			}
			if err := db.Write(batch, nil); err != nil {
				panic(err)
			}
			fmt.Println(n)
		}
		if n%4 == 0 {
			if err := db.CompactRange(util.Range{}); err != nil {
				panic(err)
			}
		}
		if err := db.Close(); err != nil {
			panic(err)
		}
	}
}

// owner starts an owner in a process of its own, and waits until it has written.
func owner(t *testing.T, path string) (cmd *exec.Cmd, said func() int) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), "LEVELDB_TEST_OWNER="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var mu sync.Mutex
	last, first, ended := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			n, _ := strconv.Atoi(lines.Text())
			mu.Lock()
			if last == 0 {
				close(first)
			}
			last = n
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended; _ = cmd.Wait() })
	<-first
	return cmd, func() int { mu.Lock(); defer mu.Unlock(); return last }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(path, data, 0o644))
}

func root(t *testing.T, path string) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(path)
	must(t, err)
	t.Cleanup(func() { dir.Close() })
	return dir
}

// filled is the directory of a database as an owner that ended leaves it.
func filled(t *testing.T) string {
	t.Helper()
	path := t.TempDir()
	db, err := goleveldb.OpenFile(path, nil)
	must(t, err)
	for _, key := range documents {
		must(t, db.Put([]byte(key), []byte("1 "), nil))
	}
	must(t, db.CompactRange(util.Range{}))
	must(t, db.Close())
	return path
}

// picture is everything about a directory that a reader could change, the time of the
// last access left out.
func picture(t *testing.T, path string) string {
	t.Helper()
	var all strings.Builder
	must(t, filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(p)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		fmt.Fprintln(&all, p, st.Ino, st.Mode, st.Nlink, st.Size, st.Mtim, st.Ctim)
		return nil
	}))
	return all.String()
}

// number is the one that all documents were written with.
func number(t *testing.T, held map[string][]byte) int {
	t.Helper()
	all := map[string]bool{}
	for _, key := range documents {
		n, _, _ := strings.Cut(string(held[key]), " ")
		all[n] = true
	}
	if len(all) != 1 {
		t.Fatalf("documents of one batch come from several: %v", all)
	}
	for n := range all {
		i, err := strconv.Atoi(n)
		must(t, err)
		return i
	}
	return 0
}

// A client that has the database open holds its lock. It is read all the same, and
// neither its files nor its lock are touched.
func TestLockedDatabaseIsReadAndLeftAsItIs(t *testing.T) {
	path := filled(t)
	db, err := goleveldb.OpenFile(path, nil)
	must(t, err)
	defer db.Close()
	for _, key := range documents {
		must(t, db.Put([]byte(key), []byte("2 "), nil))
	}
	if _, err := goleveldb.OpenFile(path, &opt.Options{ReadOnly: true}); !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("a second open: %v; want it locked, or this test shows nothing", err)
	}
	time.Sleep(20 * time.Millisecond) // past the tick of the file system's clock
	before := picture(t, path)
	held, err := leveldb.Read(root(t, path), documents...)
	must(t, err)
	if n := number(t, held); n != 2 {
		t.Errorf("read %d, want 2", n)
	}
	if after := picture(t, path); after != before {
		t.Errorf("changed by reading it:\n%swas\n%s", after, before)
	}
}

// Whoever opens the database while it is read finds its lock free.
func TestReadingIsInNobodysWay(t *testing.T) {
	path := filled(t)
	dir, stop := root(t, path), make(chan struct{})
	var reader sync.WaitGroup
	reads := 0
	reader.Go(func() {
		for ; ; reads++ {
			select {
			case <-stop:
				return
			default:
				_, _ = leveldb.Read(dir, documents...) // what it answers is tested below
			}
		}
	})
	for n := range 60 {
		db, err := goleveldb.OpenFile(path, nil)
		if err != nil {
			t.Errorf("open %d: %v", n, err)
			break
		}
		must(t, db.Put([]byte("root.json"), []byte{byte(n)}, nil))
		must(t, db.Close())
	}
	close(stop)
	reader.Wait()
	if reads < 20 {
		t.Errorf("read %d times: this test shows little", reads)
	}
}

// While its owner writes without a pause, a copy may be torn. That is unknown, or it
// is a state that was once written; it is never called damage, and never less than
// was there before.
func TestTornCopyIsUnknownNotDamage(t *testing.T) {
	path := filled(t)
	_, said := owner(t, path)
	dir := root(t, path)
	read, unknown, last := 0, 0, 0
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); {
		before := said()
		held, err := leveldb.Read(dir, documents...)
		if errors.Is(err, leveldb.ErrChanging) {
			unknown++
			continue
		}
		if err != nil {
			t.Fatalf("after %d reads: %v", read, err)
		}
		n := number(t, held)
		if n < last || n < before {
			t.Fatalf("after %d reads: read %d, and %d was written before (%d read before)", read, n, before, last)
		}
		last = n
		read++
	}
	t.Logf("%d read, %d unknown, %d written", read, unknown, said())
	if read < 10 || said() < 100 {
		t.Errorf("%d read, %d written: this test shows little", read, said())
	}
}

// The same damage seen twice is damage only when nothing changed in between.
func TestDamageIsSeenTwice(t *testing.T) {
	path := filled(t)
	tables, err := filepath.Glob(filepath.Join(path, "*.ldb"))
	must(t, err)
	for _, table := range tables {
		must(t, os.Truncate(table, 100))
	}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() { // something that grows, as under an owner
		f, err := os.OpenFile(filepath.Join(path, "000999.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_, _ = f.Write([]byte{0})
			}
		}
	})
	time.Sleep(20 * time.Millisecond)
	_, err = leveldb.Read(root(t, path), documents...)
	close(stop)
	writer.Wait()
	if !errors.Is(err, leveldb.ErrChanging) {
		t.Errorf("while it changes: %v, want unknown", err)
	}
	if _, err = leveldb.Read(root(t, path), documents...); err == nil || errors.Is(err, leveldb.ErrChanging) {
		t.Errorf("once it rests: %v, want it called damaged", err)
	}
}

// What an owner leaves that was killed anywhere is read as its next start reads it.
func TestKilledOwner(t *testing.T) {
	path := filled(t)
	for round := range 12 {
		cmd, said := owner(t, path)
		time.Sleep(time.Duration(round*7) * time.Millisecond)
		must(t, cmd.Process.Kill())
		_ = cmd.Wait()
		held, err := leveldb.Read(root(t, path), documents...)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		db, err := goleveldb.OpenFile(path, nil)
		must(t, err)
		for _, key := range documents {
			if want, err := db.Get([]byte(key), nil); err != nil || !bytes.Equal(want, held[key]) {
				t.Errorf("round %d: read %.10q of %s, its owner %.10q (%v)", round, held[key], key, want, err)
			}
		}
		must(t, db.Close())
		if n := number(t, held); n < said() {
			t.Errorf("round %d: read %d, and %d was written", round, n, said())
		}
	}
}

// A database without a way in is recovered from what is left, as its owner does; an
// empty one holds nothing.
func TestWhatIsLeftIsRecovered(t *testing.T) {
	for name, hit := range map[string]func(path string) error{
		"no CURRENT":       func(p string) error { return os.Remove(p + "/CURRENT") },
		"an empty CURRENT": func(p string) error { return os.Truncate(p+"/CURRENT", 0) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			must(t, hit(path))
			held, err := leveldb.Read(root(t, path), documents...)
			if err != nil || number(t, held) != 1 {
				t.Errorf("read %v, %v", held, err)
			}
		})
	}
	if held, err := leveldb.Read(root(t, t.TempDir()), documents...); err != nil || len(held) != 0 {
		t.Errorf("an empty directory holds %v, %v", held, err)
	}
}

func TestUnreadableFileIsNoDamage(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	path := filled(t)
	must(t, os.Chmod(filepath.Join(path, "CURRENT"), 0))
	if _, err := leveldb.Read(root(t, path), documents...); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v, want one of permission", err)
	}
}
