#include "gui/window.h"

#include <backends/imgui_impl_glfw.h>
#include <backends/imgui_impl_opengl3.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stop_token>
// Last of the three: GLFW brings the OpenGL header, which the backend brings in its own way.
#include <GLFW/glfw3.h>

#include "editor/workbench/external_file.h"
#include "gui/input_queue.h"
#include "gui/panels.h"
#include "gui/state_file.h"
#include "pipeline/error.h"

namespace keepsake::gui {
namespace {

// ImGui answers an event over two frames, and a layout that it changes takes a third.
constexpr int frames_after_event = 3;
constexpr int frames_after_document = 2;
constexpr int smallest_width = 900, smallest_height = 600;

// What GLFW's callbacks reach through the window's user pointer.
struct Events {
    InputQueue input;
    int frames = frames_after_event;  // still to be drawn
    std::vector<std::filesystem::path> dropped;
    bool scale_changed = false;
    double x = 0, y = 0;  // of the pointer, in the order of the events
};

Events& events_of(GLFWwindow* window) {
    Events& events = *static_cast<Events*>(glfwGetWindowUserPointer(window));
    events.frames = frames_after_event;
    return events;
}

void set_callbacks(GLFWwindow* window) {
    glfwSetKeyCallback(window, [](GLFWwindow* w, int key, int scancode, int action, int mods) {
        events_of(w).input.key(key, scancode, action, mods);
    });
    glfwSetCharCallback(
        window, [](GLFWwindow* w, unsigned codepoint) { events_of(w).input.character(codepoint); });
    glfwSetMouseButtonCallback(window, [](GLFWwindow* w, int button, int action, int mods) {
        Events& events = events_of(w);
        events.input.button(button, action, mods, events.x, events.y);
    });
    glfwSetScrollCallback(window, [](GLFWwindow* w, double x, double y) {
        events_of(w);
        ImGui_ImplGlfw_ScrollCallback(w, x, y);
    });
    glfwSetCursorEnterCallback(window, [](GLFWwindow* w, int entered) {
        events_of(w);
        ImGui_ImplGlfw_CursorEnterCallback(w, entered);
    });
    glfwSetWindowFocusCallback(window, [](GLFWwindow* w, int focused) {
        events_of(w);
        ImGui_ImplGlfw_WindowFocusCallback(w, focused);
    });
    glfwSetCursorPosCallback(window, [](GLFWwindow* w, double x, double y) {
        events_of(w).x = x;
        events_of(w).y = y;
    });
    glfwSetWindowRefreshCallback(window, [](GLFWwindow* w) { events_of(w); });
    glfwSetFramebufferSizeCallback(window, [](GLFWwindow* w, int, int) { events_of(w); });
    glfwSetWindowContentScaleCallback(
        window, [](GLFWwindow* w, float, float) { events_of(w).scale_changed = true; });
    glfwSetDropCallback(window, [](GLFWwindow* w, int count, const char** paths) {
        if (count > 0) events_of(w).dropped.assign(paths, paths + count);
    });
}

std::string glfw_failure() {
    const char* text = nullptr;
    glfwGetError(&text);
    return text ? text : "no reason given";
}

// GLFW, a window with an OpenGL context, and ImGui on it, while it lives.
class Screen {
  public:
    explicit Screen(const WindowOptions& options) {
        if (!glfwInit()) {
            throw Error("window", "cannot be opened: " + glfw_failure() +
                                      "; without a display, edit by `keepsake edit PHOTO TEXT`");
        }
        glfwWindowHint(GLFW_CONTEXT_VERSION_MAJOR, 3);
        glfwWindowHint(GLFW_CONTEXT_VERSION_MINOR, 0);
        glfwWindowHint(GLFW_SCALE_TO_MONITOR, options.scale ? GLFW_FALSE : GLFW_TRUE);
        window = glfwCreateWindow(options.width, options.height, "Keepsake", nullptr, nullptr);
        if (!window) {
            const std::string why = glfw_failure();
            glfwTerminate();
            throw Error("window", "cannot be opened (it needs OpenGL 3.0): " + why);
        }
        glfwSetWindowSizeLimits(window, smallest_width, smallest_height, GLFW_DONT_CARE,
                                GLFW_DONT_CARE);
        glfwSetWindowUserPointer(window, &events);
        glfwMakeContextCurrent(window);
        glfwSwapInterval(1);
        set_callbacks(window);
        ImGui::CreateContext();
        ImGui::GetIO().IniFilename = nullptr;
        ImGui::GetIO().ConfigInputTextCursorBlink = false;  // an idle window draws nothing
        ImGui_ImplGlfw_InitForOpenGL(window, false);
        ImGui_ImplOpenGL3_Init("#version 130");
        use_scale(options);
    }
    ~Screen() {
        ImGui_ImplOpenGL3_Shutdown();
        ImGui_ImplGlfw_Shutdown();
        ImGui::DestroyContext();
        glfwDestroyWindow(window);
        glfwTerminate();
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    // Where the framebuffer has more pixels than the window has units (Wayland, macOS), that part
    // of the display's scale is done already.
    void use_scale(const WindowOptions& options) {
        float display = 1;
        glfwGetWindowContentScale(window, &display, nullptr);
        int width = 1, pixels = 1;
        glfwGetWindowSize(window, &width, nullptr);
        glfwGetFramebufferSize(window, &pixels, nullptr);
        const float done = width > 0 ? static_cast<float>(pixels) / static_cast<float>(width) : 1;
        scale = std::clamp(options.scale.value_or(display / std::max(done, 1.0F)), 0.5F, 4.0F);
        apply_theme(scale);
        fonts = load_fonts(scale);
        ImGui_ImplOpenGL3_DestroyFontsTexture();
        ImGui_ImplOpenGL3_CreateFontsTexture();
        events.scale_changed = false;
    }

    Events events;
    GLFWwindow* window = nullptr;
    float scale = 1;
    Fonts fonts;
};

// The task bar's name for it: several windows are told apart by their photos.
void show_title(GLFWwindow* window, const editor::Document& document, std::string& shown) {
    const std::string title = (document.photo ? document.photo->name + " - " : "") + "Keepsake";
    if (title == shown) return;
    glfwSetWindowTitle(window, title.c_str());
    shown = title;
}

void show_on_screen(GLFWwindow* window) {
    ImGui::Render();
    int width = 0, height = 0;
    glfwGetFramebufferSize(window, &width, &height);
    glViewport(0, 0, width, height);
    glClearColor(0.094F, 0.094F, 0.098F, 1);
    glClear(GL_COLOR_BUFFER_BIT);
    ImGui_ImplOpenGL3_RenderDrawData(ImGui::GetDrawData());
    glfwSwapBuffers(window);
}

// Sleeps until there is something to draw: an event, a new Document, or, where something `waits`
// for a moment of rest, a little later. Returns when the events of the next frame are there.
void wait_for_events(Events& events, std::atomic<bool>& changed, bool waits) {
    if (events.frames > 0 || !events.input.empty() || changed) {
        glfwPollEvents();
    } else if (waits) {
        glfwWaitEventsTimeout(0.05);
        events.frames = std::max(events.frames, 1);
    } else {
        glfwWaitEvents();
    }
    if (changed.exchange(false)) events.frames = std::max(events.frames, frames_after_document);
}

}  // namespace

void run_window(const WindowOptions& options) {
    if (!options.external.empty()) editor::check_external_file(options.external);
    Screen screen(options);
    // The worker ends before the screen, which its last Documents would wake.
    std::atomic<bool> changed = false;
    editor::WorkerOptions worker_options = options.worker;
    worker_options.queue = options.external.empty();
    editor::Worker worker(worker_options, [&changed] {
        changed = true;
        glfwPostEmptyEvent();
    });
    const std::stop_callback wake(options.stop, [] { glfwPostEmptyEvent(); });
    const std::filesystem::path& first = options.external.empty() ? options.open : options.external;
    if (!first.empty()) worker.send(editor::OpenRequest{first, {}, false});
    std::unique_ptr<FrameLog> log;
    if (!options.frame_log.empty()) log = std::make_unique<FrameLog>(options.frame_log);
    Textures textures;
    WindowState state;
    state.external.path = options.external;
    std::string title = "Keepsake";
    bool waits = false;
    while (!glfwWindowShouldClose(screen.window) && !state.quit && !options.stop.stop_requested()) {
        wait_for_events(screen.events, changed, waits);
        if (screen.events.frames <= 0 && screen.events.input.empty()) continue;
        screen.events.frames = std::max(0, screen.events.frames - 1);
        FrameTime time{FrameTime::Clock::now(), screen.events.input.size()};
        if (screen.events.scale_changed) screen.use_scale(options);
        const auto pointer = screen.events.input.deliver(screen.window);
        time.inputs -= screen.events.input.size();
        ImGui_ImplOpenGL3_NewFrame();
        ImGui_ImplGlfw_NewFrame();
        if (pointer) ImGui::GetIO().MousePos = *pointer;
        ImGui::NewFrame();
        const auto document = worker.document();
        std::vector<Widget> widgets;
        Frame frame{*document,
                    state,
                    textures,
                    widgets,
                    screen.fonts,
                    screen.scale,
                    glfwGetTime(),
                    [&](editor::Request request) {
                        if (leaves_external(state, request)) return;
                        worker.send(std::move(request));
                    }};
        if (!screen.events.dropped.empty()) {
            open_dropped(frame, screen.events.dropped);
            screen.events.dropped.clear();
        }
        show_title(screen.window, *document, title);
        state.tooltip_waits = false;
        draw_window(frame);
        waits = send_rested_look(frame) || state.tooltip_waits;
        show_on_screen(screen.window);
        textures.end_frame();
        if (log) log->add(time, {document->activity, state.drawn, state.eta});
        if (!options.state_file.empty()) write_state(options.state_file, frame);
    }
}

}  // namespace keepsake::gui
