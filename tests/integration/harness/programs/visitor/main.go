// Says what it sees from inside of a pod, one line of JSON for each of its arguments, and may serve afterwards.
//
//	file:PATH      what the file says
//	name:NAME      the addresses of the name
//	write:PATH     whether it may write there
//	http://...     the answer
//	serve          answers every request on port 8080 with the name of its host
//	fail           ends with 1
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	fmt.Printf("{\"user\": %d}\n", os.Getuid())
	for _, wish := range os.Args[1:] {
		switch wish {
		case "serve":
			serve()
		case "fail":
			os.Exit(1)
		default:
			say(wish)
		}
	}
}

func say(wish string) {
	answer, err := see(wish)
	if err != nil {
		answer = "error: " + err.Error()
	}
	line, _ := json.Marshal(map[string]string{wish: answer})
	fmt.Println(string(line))
}

func see(wish string) (string, error) {
	kind, what, _ := strings.Cut(wish, ":")
	switch kind {
	case "file":
		content, err := os.ReadFile(what)
		return string(content), err
	case "write":
		return "written", os.WriteFile(what, nil, 0o600)
	case "name":
		within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		addresses, err := net.DefaultResolver.LookupHost(within, what)
		return strings.Join(addresses, " "), err
	default:
		client := http.Client{Timeout: 5 * time.Second}
		response, err := client.Get(wish)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		return string(body), err
	}
}

func serve() {
	answer := func(writer http.ResponseWriter, _ *http.Request) {
		host, _ := os.Hostname()
		_, _ = fmt.Fprint(writer, host)
	}
	if err := http.ListenAndServe(":8080", http.HandlerFunc(answer)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
