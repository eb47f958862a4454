package chassis

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// quick makes the times of a server short.
func quick(server *http.Server) {
	server.ReadHeaderTimeout, server.ReadTimeout = 100*time.Millisecond, 200*time.Millisecond
	server.WriteTimeout, server.IdleTimeout = 200*time.Millisecond, 200*time.Millisecond
}

func (r *running) stillServes(t *testing.T) {
	t.Helper()
	answer, err := r.echo(connect.WithGRPC()).CallUnary(context.Background(), connect.NewRequest(wrapperspb.String("tea")))
	if err != nil || answer.Msg.GetValue() != "tea" {
		t.Errorf("it does not serve any more: %v, %v", answer, err)
	}
}

// send says these bytes and reads until the server hangs up.
func (r *running) send(t *testing.T, bytes string) {
	t.Helper()
	connection, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Error(err)
		return
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(connection, bytes) // the server may have hung up
	if _, err := io.Copy(io.Discard, connection); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("%.40q...: the server does not hang up", bytes)
	}
}

// frame is one of HTTP/2.
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	head := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(head, stream), payload...)
}

func TestBytesThatAreNoRequestLeaveItServing(t *testing.T) {
	r := start(t, echoService(t), time.Hour, quick)
	source := rand.NewChaCha8([32]byte{1})
	random := func() []byte {
		bytes := make([]byte, source.Uint64()%4096)
		_, _ = source.Read(bytes)
		return bytes
	}
	opened := preface + string(frame(4, 0, 0, nil))
	hostile := []string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // TLS
		"GET / HTTP/9.9\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n",
		preface,
		preface + "no frames at all",
		preface + string(frame(1, 4, 1, []byte{0x82})),                              // no SETTINGS first
		opened + string(frame(0, 1, 1, random())),                                   // DATA of no stream
		opened + string(frame(1, 4, 2, []byte{0x82})),                               // an even stream
		opened + string(frame(1, 0, 1, []byte{0x82, 0x86})),                         // headers without an end
		opened + string(frame(8, 0, 0, []byte{0, 0, 0, 0})),                         // WINDOW_UPDATE by nothing
		opened + string(frame(1, 4, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0x0f})), // an index that is too large
		opened + string(frame(99, 255, 7, random())),
	}
	for range 30 {
		hostile = append(hostile, opened+string(random()), string(random()))
	}
	var sent sync.WaitGroup
	for _, bytes := range hostile {
		sent.Go(func() { r.send(t, bytes) })
	}
	r.stillServes(t)
	sent.Wait()
	r.stillServes(t)
}

func TestWrongFramesOfGRPCAreAnswered(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	for name, body := range map[string]string{
		"nothing":              "",
		"half of a head":       "\x00\x00",
		"less than announced":  "\x00\x00\x00\x00\x05ab",
		"more than announced":  "\x00\x00\x00\x00\x01abcdef",
		"4 GiB announced":      "\x00\xff\xff\xff\xffab",
		"compressed, it says":  "\x01\x00\x00\x00\x02ab",
		"flags nobody knows":   "\x7e\x00\x00\x00\x02ab",
		"not a message":        "\x00\x00\x00\x00\x02\xff\xff",
		"text that is not UTF": "\x00\x00\x00\x00\x04\x0a\x02\xff\xfe",
	} {
		request, _ := http.NewRequest(http.MethodPost, r.url(say), strings.NewReader(body))
		request.Header.Set("Content-Type", "application/grpc+proto")
		answer, err := client(true).Do(request)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, err = io.Copy(io.Discard, answer.Body)
		status := answer.Header.Get("Grpc-Status") + answer.Trailer.Get("Grpc-Status")
		if err != nil || status == "" || status == "0" {
			t.Errorf("%s: answered with status %q, %v", name, status, err)
		}
	}
	r.stillServes(t)
}

func TestJSONThatIsNoMessageIsRefusedAndTellsNothingOfTheCode(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	for name, body := range map[string]string{
		"nothing":                "",
		"no JSON":                "'tea'",
		"a number":               strings.Repeat("9", 5000),
		"no number":              "NaN",
		"an object":              `{"value": "tea", "value": "tea"}`,
		"half a character":       `"\ud800"`,
		"two halves, turned":     `"\udc00\ud800"`,
		"bytes of no character":  "\"\xff\xfe\"",
		"more than one":          `"tea" "tea"`,
		"cut off":                `"te`,
		"lists, nested deeply":   strings.Repeat("[", 100_000),
		"objects, nested deeply": strings.Repeat(`{"a":`, 100_000),
	} {
		answer, err := client(false).Post(r.url(say), "application/json", strings.NewReader(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusBadRequest || !bytes.Contains(said, []byte("invalid_argument")) ||
			bytes.Contains(said, []byte(".go:")) {
			t.Errorf("%s: answered with %d, %.200s", name, answer.StatusCode, said)
		}
	}
	r.stillServes(t)
}

func TestAMessageThatIsTooLargeIsRefusedAndNotKept(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	var packed bytes.Buffer
	packer := gzip.NewWriter(&packed)
	_, _ = packer.Write(make([]byte, 64<<20))
	packer.Close()
	bomb := binary.BigEndian.AppendUint32([]byte{1}, uint32(packed.Len()))
	bomb = append(bomb, packed.Bytes()...)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	request, _ := http.NewRequest(http.MethodPost, r.url(say), bytes.NewReader(bomb))
	request.Header.Set("Content-Type", "application/grpc+proto")
	request.Header.Set("Grpc-Encoding", "gzip")
	answer, err := client(true).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	runtime.ReadMemStats(&after)
	status := answer.Header.Get("Grpc-Status") + answer.Trailer.Get("Grpc-Status")
	if status != "8" || after.TotalAlloc-before.TotalAlloc > 16<<20 {
		t.Errorf("64 MiB of zeros: status %s, %d bytes allocated", status, after.TotalAlloc-before.TotalAlloc)
	}

	long := strings.Repeat("x", maxBodyBytes+1)
	for name, options := range map[string][]connect.ClientOption{"gRPC": {connect.WithGRPC()}, "Connect": nil} {
		if err := call(t, r, long, "long", options...); connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("%s: answered %v", name, err)
		}
	}
	r.stillServes(t)
}

func TestHeadersAndBodiesHaveBounds(t *testing.T) {
	r := start(t, echoService(t), time.Hour)
	for header, want := range map[int]int{maxHeaderBytes / 2: http.StatusOK, 2 * maxHeaderBytes: http.StatusRequestHeaderFieldsTooLarge} {
		request, _ := http.NewRequest(http.MethodGet, r.url("/livez"), nil)
		request.Header.Set("X-Long", strings.Repeat("x", header))
		answer, err := client(false).Do(request)
		if err != nil || answer.StatusCode != want {
			t.Errorf("%d bytes of headers: %v, %v", header, answer, err)
		}
	}
	for length, want := range map[int]int{maxBodyBytes: http.StatusOK, maxBodyBytes + 1: http.StatusRequestEntityTooLarge} {
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", length))) // of a length that is not announced
		answer, err := client(true).Post(r.url("/length"), "text/plain", body)
		if err != nil || answer.StatusCode != want {
			t.Errorf("a body of %d bytes: %v, %v", length, answer, err)
		}
	}
}

func TestNothingMayTakeForever(t *testing.T) {
	server := newServer(Service{}, connectionLifetime)
	for name, bound := range map[string]time.Duration{
		"headers": server.ReadHeaderTimeout, "a request": server.ReadTimeout, "an answer": server.WriteTimeout,
		"an idle connection": server.IdleTimeout, "a ping": server.HTTP2.SendPingTimeout + server.HTTP2.PingTimeout,
		"a write": server.HTTP2.WriteByteTimeout,
	} {
		if bound <= 0 || bound > 2*time.Minute {
			t.Errorf("%s: %s", name, bound)
		}
	}
}

func TestCallersWhoAreSlowAreHungUpOn(t *testing.T) {
	r := start(t, echoService(t), time.Hour, quick)
	before := runtime.NumGoroutine()
	var slow []net.Conn
	for _, beginning := range []string{
		"", "P", preface[:20], "GET / HTTP/1.1\r\nHost: a\r\n",
		"POST " + say + " HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		for range 40 {
			connection, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			_, _ = io.WriteString(connection, beginning)
			slow = append(slow, connection)
		}
	}
	r.stillServes(t)
	for _, connection := range slow {
		_ = connection.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.Copy(io.Discard, connection); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("a slow caller is waited for")
		}
	}
	eventually(t, "nothing is left of them", func() bool { return runtime.NumGoroutine() < before+20 })
}

func TestABodyThatComesSlowlyByHTTP2IsGivenUp(t *testing.T) {
	r := start(t, echoService(t), time.Hour, quick)
	body, feeding := io.Pipe()
	defer feeding.Close()
	request, _ := http.NewRequest(http.MethodPost, r.url(say), body)
	request.Header.Set("Content-Type", "application/grpc+proto")
	begun := time.Now()
	answer, err := client(true).Do(request)
	if err == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		if status := answer.Header.Get("Grpc-Status") + answer.Trailer.Get("Grpc-Status"); status == "0" {
			t.Error("answered")
		}
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("given up after %s: %v", took, err)
	}
	r.stillServes(t)
}
