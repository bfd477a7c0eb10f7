// SPDX-License-Identifier: Apache-2.0

package mirror_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tufkeeper/tufkeeper/agent/mirror"
)

func TestFetchJoinsPlainly(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
	defer server.Close()
	m, err := mirror.New(mirror.Options{URLs: []string{server.URL + "/a%2Fb/../%5Bc%5D%20"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Fetch(t.Context(), m.Origins()[0], "1.%2Fx%3F.json", 10); err != nil {
		t.Fatal(err)
	}
	if want := "/a%2Fb/../%5Bc%5D%20/1.%2Fx%3F.json"; got != want {
		t.Errorf("got request %q, want %q", got, want)
	}
}
